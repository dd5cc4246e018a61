// Host names as keys of routes, in the form in which requests are compared: lower case, no port, no
// trailing dot, IPv6 without brackets and in its shortest form.

import { parseIp } from "./ip-address.ts";
import { type Parsed, parsed, refused } from "./parsed.ts";

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const NAME_LENGTH_MAX = 253;
const LABEL_LENGTH_MAX = 63;

/** Splits `name:port`. The port is undefined when there is none; IPv6 needs brackets for one. */
export function splitPort(text: string): { name: string; port: string | undefined } {
  const match = /^(\[[^\]]*\]|[^:]*):(\d*)$/.exec(text);
  return match === null
    ? { name: text, port: undefined }
    : { name: match[1] ?? "", port: match[2] ?? "" };
}

/** A host as a URL has it: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Reads a route's host key: a name, an IP address, `*.name` or `*`. Returns its normal form. */
export function parseHostPattern(text: string): Parsed<string> {
  if (text === "*") return parsed(text);
  if (text.startsWith("*.")) {
    const rest = parseHostName(text.slice(2));
    return rest.ok ? parsed(`*.${rest.value}`) : rest;
  }
  if (text.includes("*")) return refused('the star stands alone or as "*." at the start');
  if (text.startsWith("[") || text.includes(":")) {
    const address = parseIp(text.replace(/^\[(.*)\]$/, "$1"));
    return address.ok ? parsed(address.value.text) : address;
  }
  return parseHostName(text);
}

/** Reads a host name or an IPv4 address; returns it in lower case without a trailing dot. */
export function parseHostName(text: string): Parsed<string> {
  // Before they are made small: U+212A, the sign of Kelvin, would become a plain "k".
  if (/[^\0-\x7f]/.test(text)) return refused("letters outside ASCII are written in the xn-- form");
  const name = text.toLowerCase().replace(/\.$/, "");
  if (name === "") return refused("it is empty");
  // Whatever ends in a number is read as an IPv4 address by browsers and resolvers.
  if (/(?:^|\.)\d+$/.test(name)) {
    const address = parseIp(name);
    return address.ok ? parsed(name) : address;
  }
  if (name.length > NAME_LENGTH_MAX) return refused(`it has more than ${NAME_LENGTH_MAX} letters`);
  for (const label of name.split(".")) {
    if (label === "") return refused("there is nothing between two dots");
    if (label.length > LABEL_LENGTH_MAX) {
      return refused(`a part has more than ${LABEL_LENGTH_MAX} letters`);
    }
    if (!LABEL.test(label)) return refused(whyNoLabel(label));
  }
  return parsed(name);
}

/** The host key in the form that browsers send; undefined when it is in it, or has none. */
export function asciiHost(text: string): string | undefined {
  const match = /^(\*\.)?((?:[\w.-]|[^\0-\x7f])+)$/.exec(text);
  if (match === null || /^[\0-\x7f]*$/.test(text)) return undefined;
  const [, star = "", name] = match;
  if (!URL.canParse(`http://${name}/`)) return undefined;
  const form = star + new URL(`http://${name}/`).hostname;
  return parseHostPattern(form).ok ? form : undefined;
}

function whyNoLabel(label: string): string {
  const wrong = [...label].find((character) => !/[a-z0-9_-]/.test(character));
  if (wrong === undefined) return "a part cannot start or end with a hyphen";
  return `${JSON.stringify(wrong)} cannot be in a host name`;
}
