// Configurations of the end-to-end tests: TOML is plain text, so are these.

/** A server section for one worker on a free port of the loopback interface. */
export function serverSection(threads = 1): string {
  return `[server]\nlisten = "127.0.0.1:0"\nthreads = ${threads}\n`;
}

/** A proxy route of any host; `settings` are further lines of its table and sub-tables. */
export function proxyRoute(
  prefix: string,
  url: string,
  security: readonly string[] = [],
  settings: readonly string[] = [],
): string {
  const key = `path_routes."*".${JSON.stringify(prefix)}`;
  const table = [`[${key}]`, 'type = "Proxy"', `url = ${JSON.stringify(url)}`, ...settings, ""];
  return table.join("\n") + securityTable(key, security);
}

/** A file route of any host. */
export function fileRoute(
  prefix: string,
  path: string,
  settings: readonly string[] = [],
  security: readonly string[] = [],
): string {
  const key = `path_routes."*".${JSON.stringify(prefix)}`;
  const lines = [`[${key}]`, 'type = "File"', `path = ${JSON.stringify(path)}`, ...settings, ""];
  return lines.join("\n") + securityTable(key, security);
}

function securityTable(key: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `[${key}.security]\n${lines.join("\n")}\n`;
}
