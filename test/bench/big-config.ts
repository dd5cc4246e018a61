// Configurations with many routes, always the same for the same shape: what compile times and route
// matching are measured on.

/** `hosts` hosts with `prefixes` path prefixes each. */
export interface ConfigShape {
  readonly label: string;
  readonly hosts: number;
  readonly prefixes: number;
}

export interface BigRoute {
  readonly host: string;
  readonly prefix: string;
}

/** Names of the length that real ones have. */
function hostName(index: number): string {
  return `service-${index}.apps.example.com`;
}

const AREAS = ["api", "static", "users", "orders", "internal", "v1", "v2", "search"];

function prefixText(index: number): string {
  const area = AREAS[index % AREAS.length];
  return `/${area}/resource-${index}`;
}

export function bigRoutes(shape: ConfigShape): BigRoute[] {
  return Array.from({ length: shape.hosts * shape.prefixes }, (_, index) => ({
    host: hostName(Math.floor(index / shape.prefixes)),
    prefix: prefixText(index % shape.prefixes),
  }));
}

/** The TOML text: proxied routes over a few upstreams, every fourth with rules of its own. */
export function bigConfig(shape: ConfigShape): string {
  const parts = ['[server]\nlisten = "127.0.0.1:8080"\n'];
  for (const [index, name] of AREAS.entries()) {
    parts.push(`[upstreams.${name}]\nservers = ["http://127.0.0.1:${9000 + index}"]\n`);
  }
  for (const [index, { host, prefix }] of bigRoutes(shape).entries()) {
    const table = `path_routes."${host}"."${prefix}"`;
    parts.push(`[${table}]\ntype = "Proxy"\nupstream = "${AREAS[index % AREAS.length]}"\n`);
    if (index % 4 === 0) {
      parts.push(
        `[${table}.security]\nallowed_methods = ["GET", "POST"]\nmax_request_body_size = 65536\n`,
      );
    }
  }
  return parts.join("\n");
}
