// URLs of servers that requests are passed on to.

import { parseHostName, urlHost } from "./host-name.ts";
import { parseIp } from "./ip-address.ts";
import { type Parsed, parsed, refused } from "./parsed.ts";
import { parsePath } from "./request-path.ts";

export interface ProxyUrl {
  readonly tls: boolean;
  /** A name in lower case, or an IP address without brackets. */
  readonly host: string;
  /** The port written, or 80 or 443. */
  readonly port: number;
  /** What goes into the Host header: the default port left out, IPv6 in brackets. */
  readonly authority: string;
  /** The path as written, "/" when there is none. */
  readonly path: string;
}

/** Reads `http://host`, `https://host:port/path` and the like; nothing else is a server. */
export function parseProxyUrl(text: string): Parsed<ProxyUrl> {
  const scheme = /^(https?):\/\//i.exec(text);
  if (scheme === null) return refused(whyNoScheme(text));
  const tls = scheme[1]?.toLowerCase() === "https";
  const rest = text.slice(scheme[0].length);
  const authorityEnd = rest.search(/[/?#]/);
  const authority = authorityEnd < 0 ? rest : rest.slice(0, authorityEnd);
  const path = authorityEnd < 0 ? "/" : rest.slice(authorityEnd);
  if (path.includes("?")) return refused("a query cannot be added to every request");
  if (path.includes("#")) return refused("a fragment (the part after #) is never sent");
  if (authority.includes("@")) return refused("a user name or password is not passed on");
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority);
  if (match === null) return refused("the host or the port cannot be read");
  const host = parseHost(match[1] ?? "");
  if (!host.ok) return host;
  const port = match[2] === undefined ? (tls ? 443 : 80) : Number(match[2]);
  if (match[2] === "" || port < 1 || port > 65535) return refused("a port is 1 to 65535");
  const checkedPath = parsePath(path);
  if (!checkedPath.ok) return refused(`its path ${checkedPath.reason}`);
  return parsed({
    tls,
    host: host.value,
    port,
    authority: authorityOf(host.value, port, tls),
    path,
  });
}

function parseHost(text: string): Parsed<string> {
  if (text === "") return refused("the host is missing");
  if (text.startsWith("[")) {
    const address = parseIp(text.slice(1, -1));
    if (!address.ok) return refused(`the host cannot be used: ${address.reason}`);
    if (address.value.version === 4) return refused("brackets go round IPv6 addresses only");
    return parsed(address.value.text);
  }
  const name = parseHostName(text);
  return name.ok ? name : refused(`the host cannot be used: ${name.reason}`);
}

function authorityOf(host: string, port: number, tls: boolean): string {
  const name = urlHost(host);
  return port === (tls ? 443 : 80) ? name : `${name}:${port}`;
}

/**
 * The text with `http://` in front, when it reads like `host:port` or `host.name/path` and only the
 * scheme is missing.
 */
export function withScheme(text: string): string | undefined {
  const url = `http://${text}`;
  return /[:./]|^localhost$/.test(text) && parseProxyUrl(url).ok ? url : undefined;
}

function whyNoScheme(text: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme !== undefined) return `only http and https are passed on, not ${scheme}`;
  return "it does not start with http:// or https://";
}
