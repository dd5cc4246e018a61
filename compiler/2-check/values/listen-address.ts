// What `server.listen` holds: an IP address and a port.

import { urlHost } from "./host-name.ts";
import { parseIp } from "./ip-address.ts";
import { type Parsed, parsed, refused } from "./parsed.ts";

export interface ListenEndpoint {
  /** IPv4 or IPv6 in its shortest form, without brackets. */
  readonly address: string;
  /** 0: the kernel chooses a free one. */
  readonly port: number;
}

/** Reads `"ip:port"` or `"[ipv6]:port"`. */
export function parseListenAddress(text: string): Parsed<ListenEndpoint> {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d*)$/.exec(text);
  if (match === null) return refused(whyNoMatch(text));
  const host = match[1] ?? match[2] ?? "";
  if (host === "") return refused("the address is missing");
  const address = parseIp(host);
  if (!address.ok) {
    const name = /^[a-z]/i.test(host);
    return refused(name ? "names are not looked up, write the IP address" : address.reason);
  }
  if ((match[1] !== undefined) !== (address.value.version === 6)) {
    return refused("brackets go round an IPv6 address, and only there");
  }
  const port = Number(match[3]);
  if (match[3] === "") return refused("the port is missing");
  if (port > 65535) return refused("ports go up to 65535");
  return parsed({ address: address.value.text, port });
}

/** The endpoint as it is written. */
export function printListenAddress({ address, port }: ListenEndpoint): string {
  return `${urlHost(address)}:${port}`;
}

function whyNoMatch(text: string): string {
  if (/^\d+$/.test(text)) return "the address is missing";
  if (parseIp(text).ok) return "the port is missing";
  if (/^[0-9a-f:.]+$/i.test(text)) return "an IPv6 address needs brackets before the port";
  return "it is not an address and a port";
}
