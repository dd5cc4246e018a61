// The notation of the byte blocks in test/conformance/*.md: text that shows every byte.

const ESCAPES: Readonly<Record<string, string>> = {
  r: "\r",
  n: "\n",
  t: "\t",
  "0": "\0",
  "\\": "\\",
};

/** `{a*300}`: a text repeated. */
const REPEAT = /\{((?:[^{}*]|\\x2a)+)\*(\d+)\}/g;
/** `{forwarded}`, or `{forwarded HOST}`: the fields zproxy adds for the upstream. */
const FORWARDED = /^\{forwarded(?: ([^}]+))?\}$/;
const REPEATED_BYTES_MAX = 1 << 20;

/**
 * The bytes (latin1) of a block: every line ends with CRLF unless a backslash ends it. `{client}`
 * and `{upstream}` stay as they are: engines report addresses by these names.
 * Throws an Error for an escape that is none.
 */
export function decodeBlock(lines: readonly string[]): string {
  return lines.map(decodeLine).join("");
}

function decodeLine(line: string): string {
  const whole = line.replace(REPEAT, repeat);
  const forwarded = FORWARDED.exec(whole);
  if (forwarded !== null) return forwardedFields(forwarded[1]);
  const open = whole.endsWith("\\") && !whole.endsWith("\\\\");
  const text = open ? whole.slice(0, -1) : whole;
  return unescaped(text) + (open ? "" : "\r\n");
}

/** Decodes the escapes and repetitions of a text within a line. */
export function decodeText(text: string): string {
  return unescaped(text.replace(REPEAT, repeat));
}

function repeat(_whole: string, part: string, count: string): string {
  if (part.length * Number(count) > REPEATED_BYTES_MAX) throw new Error(`too long: ${part}`);
  return part.repeat(Number(count));
}

function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|.)/gs, (whole, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    const byte = ESCAPES[code];
    if (byte === undefined) throw new Error(`unknown escape ${whole}`);
    return byte;
  });
}

function forwardedFields(host: string | undefined): string {
  const hostLine = host === undefined ? [] : [`X-Forwarded-Host: ${host}`];
  const lines = [
    "X-Forwarded-For: {client}",
    "X-Forwarded-Proto: http",
    ...hostLine,
    "Via: 1.1 zproxy",
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}
