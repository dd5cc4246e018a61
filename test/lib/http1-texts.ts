// Random HTTP/1.1: heads that are sound, made of few pieces that matter to a proxy, and the ways in
// which they are damaged. One character is one byte.

import type { Random } from "./random.ts";

const METHODS = [
  "GET",
  "GET",
  "POST",
  "HEAD",
  "PUT",
  "OPTIONS",
  "CONNECT",
  "get",
  "X-A",
  "M".repeat(32),
];
const HOSTS = [
  "a.example",
  "A.Example:8080",
  "example.com.",
  "[::1]",
  "[2001:DB8::A]:443",
  "127.0.0.1:0",
  "x_y-z.",
  "h".repeat(255),
  `H${"h".repeat(254)}.:65535`,
];
const SEGMENTS = [
  "a",
  "b.c",
  "..",
  ".",
  "",
  "%41",
  "%2e",
  "%2E%2e",
  "%2f",
  "%7E~",
  ".a",
  "..b",
  "%20",
  "\\",
];
const QUERIES = ["", "", "?", "?a=b", "?%zz/../?", "?\"'<>"];
const NAMES = [
  "Accept",
  "Cookie",
  "X-A",
  "x-b",
  "a",
  "Date",
  "Via",
  "Forwarded",
  "Set-Cookie",
  "Trailer",
];
const HOP_NAMES = [
  "Keep-Alive",
  "Proxy-Connection",
  "TE",
  "Upgrade",
  "X-Forwarded-For",
  "x-forwarded-proto",
  "X-Forwarded-Host",
];
const VALUES = [
  "",
  "b",
  "a, b",
  "close",
  "1 2\t3",
  "\x80\xff",
  '"q;\\""',
  "v".repeat(70),
  "5",
  "chunked",
];
const OPTIONS = [
  "close",
  "keep-alive",
  "Keep-Alive",
  "upgrade",
  "te",
  "X-A",
  "x-B",
  "",
  "host",
  "date",
];
const OPTIONS_OF_OURS = [
  "content-length",
  "Transfer-Encoding",
  "x-forwarded-for",
  "cookie",
  "expect",
];

/** Writes sound heads; what a scan finds in them varies as much as possible. */
export class HeadWriter {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  path(): string {
    const { random } = this;
    const segments = Array.from({ length: random.between(1, 5) }, () => random.pick(SEGMENTS));
    return `/${segments.join("/")}`;
  }

  host(): string {
    return this.random.pick(HOSTS);
  }

  private target(method: string): string {
    const { random } = this;
    const kind = random.below(12);
    if (method === "CONNECT" && kind < 9) return "a.example:443";
    if (method === "OPTIONS" && kind < 4) return "*";
    const query = random.pick(QUERIES);
    if (kind > 1) return this.path() + query;
    const scheme = random.pick(["http", "https", "HTTP", "hTTps"]);
    const path = random.below(3) === 0 ? "" : this.path();
    return `${scheme}://${this.host()}${path}${query}`;
  }

  private field(name: string, value: string): string {
    const { random } = this;
    const cased = [name, name, name.toLowerCase(), name.toUpperCase()][random.below(4)];
    const before = random.pick([" ", " ", "", "\t ", "   "]);
    return `${cased}:${before}${value}${random.pick(["", "", " ", "\t"])}\r\n`;
  }

  private otherFields(): string[] {
    const { random } = this;
    const lines: string[] = [];
    const few = random.below(40) === 0 ? random.between(118, 128) : random.below(7);
    for (let count = few; count > 0; count--) {
      const names = random.below(4) === 0 ? HOP_NAMES : NAMES;
      lines.push(this.field(random.pick(names), random.pick(VALUES)));
    }
    if (random.below(8) === 0) {
      lines.push(this.field("Upgrade", "websocket"), this.field("Connection", "Upgrade"));
    }
    while (random.below(3) === 0) {
      const options = random.below(3) === 0 ? OPTIONS_OF_OURS : OPTIONS;
      const items = Array.from({ length: random.between(1, 4) }, () => random.pick(options));
      lines.push(this.field("Connection", items.join(random.pick([",", ", ", " ,\t"]))));
    }
    return lines;
  }

  private framing(): string[] {
    const { random } = this;
    const kind = random.below(5);
    if (kind === 0) return [this.field("Transfer-Encoding", random.pick(["chunked", "Chunked"]))];
    if (kind > 2) return [];
    return [this.field("Content-Length", random.pick(["0", "5", "0042", "9".repeat(15)]))];
  }

  private shuffled(lines: string[]): string {
    const { random } = this;
    for (let at = lines.length - 1; at > 0; at--) {
      const other = random.below(at + 1);
      [lines[at], lines[other]] = [lines[other] as string, lines[at] as string];
    }
    return lines.join("");
  }

  request(): string {
    const { random } = this;
    const method = random.pick(METHODS);
    const minor = random.pick(["1", "1", "1", "0", "7"]);
    const lines = [...this.otherFields(), ...(minor === "0" ? [] : this.framing())];
    if (minor !== "0" || random.below(2) === 0) lines.push(this.field("Host", this.host()));
    if (random.below(8) === 0) lines.push(this.field("Expect", random.pick(["100-continue", "x"])));
    const before = random.pick(["", "", "", "\r\n", "\r\n\r\n"]);
    return `${before}${method} ${this.target(method)} HTTP/1.${minor}\r\n${this.shuffled(lines)}\r\n`;
  }

  response(): string {
    const { random } = this;
    const minor = random.pick(["1", "1", "1", "0", "7"]);
    const status = random.pick([100, 103, 200, 200, 204, 206, 301, 304, 404, 500, 999]);
    const reason = random.pick([" OK", " ", "", " Not \t Found", " \xe9"]);
    const framing = this.framing();
    const codes = framing.join("").toLowerCase().includes("chunked");
    const lines = [...this.otherFields(), ...(minor === "0" && codes ? [] : framing)];
    return `HTTP/1.${minor} ${status}${reason}\r\n${this.shuffled(lines)}\r\n`;
  }
}

/** Lines and pieces that make a head ambiguous to someone. */
const HOSTILE = [
  "Host: a\r\n",
  "Host:\r\n",
  "Host: [a.b]\r\n",
  "Host: a b\r\n",
  "Host: a@b\r\n",
  "Host: a:99999\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: +5\r\n",
  "Content-Length: 5,5\r\n",
  "Content-Length: 0x5\r\n",
  "Content-Length: 1234567890123456\r\n",
  "Content-Length:\r\n",
  "Content-Length : 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Transfer-Encoding:\x0bchunked\r\n",
  "Transfer_Encoding: chunked\r\n",
  "Expect: 200-maybe\r\n",
  " folded\r\n",
  "\tfolded\r\n",
  "no colon\r\n",
  ": no name\r\n",
  "\r\n",
  "\n",
  "\r",
  "\0",
  "\x7f",
  "#",
  "%",
  "%00",
  "%0a",
  "%7f",
  "%4",
  "/../../..",
  " ",
  "\t",
  ":",
  "HTTP/1.1",
];

const VERSIONS = ["HTTP/2.", "HTTP/0.", "HTTP/1", "http/1.", "HTTP/11.", "HTTP/1.1 HTTP/1."];
const STATUSES = [" 099 ", " 000\r", " 0", " 20", " 2000 ", " -20 ", " 1xx "];

/** The text with one to three changes. */
export function mutatedHead(text: string, random: Random): string {
  let result = text;
  for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count--) {
    const at = random.below(result.length + 1);
    result = mutatedAt(result, at, random);
  }
  return result;
}

function mutatedAt(text: string, at: number, random: Random): string {
  const before = text.slice(0, at);
  const after = text.slice(at);
  switch (random.below(10)) {
    case 0:
      return before + String.fromCharCode(random.below(256)) + after.slice(1);
    case 1:
      return (
        before +
        String.fromCharCode((text.charCodeAt(at) ^ (1 << random.below(8))) & 255) +
        after.slice(1)
      );
    case 2:
      return before + random.pick(HOSTILE) + after;
    case 3: // a hostile line where lines begin
      return insertedLine(text, random.pick(HOSTILE), random);
    case 4:
      return before + after.slice(random.between(1, 3));
    case 5:
      return before + after.slice(0, random.between(1, 40)) + after;
    case 6: {
      const line = random.pick(text.split("\r\n"));
      return insertedLine(text, `${line}\r\n`, random);
    }
    case 7:
      return before;
    case 8:
      if (random.below(2) === 0) return text.replace("HTTP/1.", random.pick(VERSIONS));
      return text.replace(/ [0-9]{3} /, random.pick(STATUSES));
    default:
      return (
        before + random.pick(["x", "\t", "1", "\xff", "/"]).repeat(random.between(2, 300)) + after
      );
  }
}

function insertedLine(text: string, line: string, random: Random): string {
  const lines = text.split(/(?<=\r\n)/);
  const at = random.below(lines.length + 1);
  return [...lines.slice(0, at), line, ...lines.slice(at)].join("");
}
