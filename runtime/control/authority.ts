// Addresses and names as a URL has them.

/** `host:port`; an IPv6 literal goes into brackets. */
export function authorityOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
