// Byte classes of HTTP/1.1, as tables: one load decides whether a scan goes on. Byte 0 belongs to
// no class, so a zero written behind the received bytes ends every scan.

function classOf(accepts: (code: number) => boolean): Uint8Array {
  return new Uint8Array(256).map((_, code) => (accepts(code) ? 1 : 0));
}

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";

function isAlphanumeric(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a)
  );
}

/** tchar, RFC 9110 §5.6.2. */
export const IS_TOKEN = classOf(
  (code) => isAlphanumeric(code) || TOKEN_PUNCTUATION.includes(String.fromCharCode(code)),
);

/** field-content with its inner white space, RFC 9110 §5.5: VCHAR, obs-text, SP, HTAB. */
export const IS_FIELD_VALUE = classOf((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f));

/**
 * What a request target may hold: visible ASCII without "#", which no client may send
 * (RFC 9112 §3.2) and on which servers behind a proxy disagree.
 */
export const IS_TARGET = classOf((code) => code > 0x20 && code < 0x7f && code !== 0x23);

/**
 * Bytes of a target that no path may hold: RFC 3986 does not allow them and no browser sends them
 * there as they are. Servers that take "\\" for "/" would see another path than the routes did.
 */
const REFUSED_IN_PATH = '"<>\\`{}';

/** Of a target's bytes those that may stand in its path. */
export const IS_PATH = classOf(
  (code) => IS_TARGET[code] === 1 && !REFUSED_IN_PATH.includes(String.fromCharCode(code)),
);

/**
 * Path bytes that need no second look before the query: all but "%", "?" and "/" followed by
 * a dot (the scan looks at "." itself).
 */
export const IS_PLAIN_PATH = classOf(
  (code) => IS_PATH[code] === 1 && !"%?.".includes(String.fromCharCode(code)),
);

/** unreserved, RFC 3986 §2.3. */
export const IS_UNRESERVED = classOf(
  (code) => isAlphanumeric(code) || "-._~".includes(String.fromCharCode(code)),
);

/** What the prefixes of routes hold as it is; all else stands there as an escape. */
export const IS_PLAIN_IN_PREFIX = classOf(
  (code) => IS_UNRESERVED[code] === 1 || "!$&'()*+,;=:@/".includes(String.fromCharCode(code)),
);

/** reg-name and IPv4 literals as they occur in practice: letters, digits, "-", "." and "_". */
export const IS_HOST = classOf(
  (code) => isAlphanumeric(code) || "-._".includes(String.fromCharCode(code)),
);

/** The value of a hexadecimal digit, 255 for all other bytes. */
export const HEX_VALUE = new Uint8Array(256).map((_, code) => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 255;
});
