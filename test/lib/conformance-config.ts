// The configuration that the conformance cases rely on; their README lists the routes.

import { proxyRoute, serverSection } from "./config.ts";

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
    '[path_routes."*"."/files/"]\ntype = "File"\npath = "files"\n',
    '[path_routes."only.test"."/"]\ntype = "File"\npath = "files"\n',
  ];
  return serverSection() + routes.join("\n");
}
