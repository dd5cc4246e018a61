// The group of one server behind a route's `url`: generated code names it by its origin alone.

import type { UpstreamSettings } from "./api.ts";

const ORIGIN = /^(https?):\/\/(\[[^\]]+\]|[^:]+)(?::(\d+))?$/;

/** `url`: an RFC 6454 origin, as `https://api.example.com:8443`, its default port left out. */
export function origin(url: string): UpstreamSettings {
  const [, scheme, hostname, port] = ORIGIN.exec(url)!;
  const tls = scheme === "https";
  const server = {
    tls,
    host: hostname!.replace(/^\[|\]$/g, ""),
    port: port === undefined ? (tls ? 443 : 80) : Number(port),
    authority: url.slice(url.indexOf("//") + 2),
    weight: 1,
  };
  return { name: url, algorithm: "round_robin", servers: [server] };
}
