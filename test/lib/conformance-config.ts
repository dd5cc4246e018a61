// The configuration that the conformance cases rely on; their README lists the routes.

import { proxyRoute, serverSection } from "./config.ts";

/** Each goes to a path of its own name; in this order. */
const CONDITIONS: readonly (readonly [name: string, condition: string])[] = [
  ["header", 'header("x-beta") == "1" and not header("x-out")'],
  ["elsewhere", 'client not in ["127.0.0.0/8", "10.1.2.3"]'],
  ["method", 'method in ["PUT", "X-METHOD"] and client in ["127.0.0.0/8", "10.1.2.3"]'],
  ["cookie", 'cookie("c") in ["one", "two"]'],
  ["query", 'query("v a") starts_with "2" and header("x-part") contains "b c"'],
];

function otherTarget(name: string, condition: string, upstream: string): string {
  const target = `type = "Proxy"\nurl = "${upstream}/${name}"`;
  return `[[path_routes."*"."/when".when]]\nname = "${name}"\nif = '${condition}'\n${target}\n`;
}

/** `upstream` and `refused` are origins: the scripted upstream, and a port where nobody is. */
export function conformanceConfig(upstream: string, refused: string): string {
  const fresh = "max_idle_connections_per_host = 0";
  const kept = `[path_routes."*"."/kept"]\ntype = "Proxy"\nurl = "${upstream}"\n`;
  const routes = [
    proxyRoute("/", upstream, [fresh]),
    proxyRoute("/pooled", upstream),
    proxyRoute("/app/", `${upstream}/base/`, [fresh]),
    `${kept}preserve_host = true\n[path_routes."*"."/kept".security]\n${fresh}\n`,
    proxyRoute("/small", upstream, [
      fresh,
      "max_request_body_size = 10",
      "max_chunked_body_size = 10",
    ]),
    proxyRoute("/readonly", upstream, [fresh, 'allowed_methods = ["GET", "HEAD"]']),
    proxyRoute("/refused", refused, [fresh]),
    proxyRoute("/when", upstream, [fresh, "max_request_body_size = 10"]),
    ...CONDITIONS.map(([name, condition]) => otherTarget(name, condition, upstream)),
    `[[path_routes."*"."/when".when]]\nname = "file"\nif = 'query("file")'\npath = "files"\n`,
    '[path_routes."*"."/files/"]\ntype = "File"\npath = "files"\n',
    '[path_routes."only.test"."/"]\ntype = "File"\npath = "files"\n',
  ];
  return serverSection() + routes.join("\n");
}
