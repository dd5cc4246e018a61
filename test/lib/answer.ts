// A strict reader of HTTP/1.1 answers (RFC 9112): what a client that forgives nothing would accept.
// Every departure throws, so that a test cannot pass on an answer other clients would refuse.

/** One answer. Header names are lower-cased; the order and repetition of fields is kept. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  readonly framing: "none" | "length" | "chunked" | "close";
  /** The 1xx answers that came before. */
  readonly interim: readonly { status: number; headers: readonly (readonly [string, string])[] }[];
}

interface Head {
  readonly status: number;
  readonly reason: string;
  readonly headers: [string, string][];
  readonly bytes: number;
}

interface Body {
  readonly body: Buffer;
  readonly trailers: [string, string][];
  readonly framing: Answer["framing"];
  readonly bytes: number;
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2}) (.*)$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;

/** A size and extensions of plain tokens (RFC 9112 section 7.1). */
const CHUNK_LINE = /^[0-9A-Fa-f]{1,8}(;[!#$%&'*+\-.^_`|~0-9A-Za-z=]+)*$/;

/** Whether a text holds a control character other than a tab (RFC 9110 section 5.5). */
function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}

/**
 * Reads one final answer from the start of `bytes`. `ended` says that no more bytes will come.
 * Returns undefined while the answer is incomplete; `bytes` of the result is its length.
 */
export function readAnswer(
  bytes: Buffer,
  method: string,
  ended: boolean,
): { answer: Answer; bytes: number } | undefined {
  const interim: { status: number; headers: [string, string][] }[] = [];
  let at = 0;
  for (;;) {
    const head = readHead(bytes.subarray(at));
    if (head === undefined) return undefined;
    at += head.bytes;
    if (head.status < 200 && head.status !== 101) {
      interim.push({ status: head.status, headers: head.headers });
      continue;
    }
    const body = readBody(bytes.subarray(at), head, method, ended);
    if (body === undefined) return undefined;
    const { status, reason, headers } = head;
    const { body: content, trailers, framing } = body;
    const answer = { status, reason, headers, body: content, trailers, framing, interim };
    return { answer, bytes: at + body.bytes };
  }
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...fields] = bytes.toString("latin1", 0, end).split("\r\n");
  const match = STATUS_LINE.exec(first);
  if (match === null || hasControls(first))
    throw new Error(`bad status line: ${JSON.stringify(first)}`);
  const headers = fields.map(readField);
  return { status: Number(match[1]), reason: match[2] ?? "", headers, bytes: end + 4 };
}

function readField(line: string): [string, string] {
  const match = FIELD_LINE.exec(line);
  if (match === null || hasControls(line))
    throw new Error(`bad field line: ${JSON.stringify(line)}`);
  return [(match[1] ?? "").toLowerCase(), match[2] ?? ""];
}

/** RFC 9112 section 6.3, with the answers it merely discourages refused. */
function readBody(bytes: Buffer, head: Head, method: string, ended: boolean): Body | undefined {
  const lengths = valuesOf(head.headers, "content-length");
  const codings = valuesOf(head.headers, "transfer-encoding");
  if (lengths.length > 1 || codings.length > 1) throw new Error("repeated framing header");
  if (lengths.length + codings.length > 1) throw new Error("both Content-Length and chunked");
  const none = { body: Buffer.alloc(0), trailers: [], framing: "none", bytes: 0 } as const;
  if (head.status === 204 || head.status === 101) {
    if (lengths.length + codings.length > 0) throw new Error(`framing on a ${head.status}`);
    return { ...none, trailers: [] };
  }
  if (head.status === 304 || method === "HEAD") return { ...none, trailers: [] };
  if (codings.length > 0) {
    if (codings[0]?.toLowerCase() !== "chunked") throw new Error(`transfer coding ${codings[0]}`);
    return readChunked(bytes);
  }
  if (lengths.length > 0) {
    const text = lengths[0] ?? "";
    if (!/^(0|[1-9][0-9]*)$/.test(text)) throw new Error(`Content-Length ${text}`);
    const length = Number(text);
    if (bytes.length < length) return undefined;
    return { body: bytes.subarray(0, length), trailers: [], framing: "length", bytes: length };
  }
  if (!ended) return undefined;
  return { body: bytes, trailers: [], framing: "close", bytes: bytes.length };
}

function readChunked(bytes: Buffer): Body | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!CHUNK_LINE.test(line)) throw new Error(`bad chunk size: ${line.slice(0, 40)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return undefined;
    chunks.push(bytes.subarray(at, at + size));
    if (bytes.toString("latin1", at + size, at + size + 2) !== "\r\n") {
      throw new Error("no CRLF after a chunk");
    }
    at += size + 2;
  }
  const body = Buffer.concat(chunks);
  const trailers: [string, string][] = [];
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const line = bytes.toString("latin1", at, lineEnd);
    at = lineEnd + 2;
    if (line === "") return { body, trailers, framing: "chunked", bytes: at };
    trailers.push(readField(line));
  }
}

function valuesOf(headers: readonly (readonly [string, string])[], name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value);
}

/** The value of a header that must not be repeated; undefined when absent. */
export function header(answer: Pick<Answer, "headers">, name: string): string | undefined {
  const values = valuesOf(answer.headers, name.toLowerCase());
  if (values.length > 1) throw new Error(`${name} is repeated`);
  return values[0];
}
