// An incremental, strict reader of HTTP/1.1 messages for the actors: requests at upstreams, answers
// at clients. A departure from RFC 9112 is a Violation, because only the server under test can have
// made it: it forwards, or it refuses.

import { Violation } from "./faults.ts";

export interface Head {
  /** Request line or status line. */
  readonly line: string;
  /** Names in lower case; a repeated one holds its values joined by ", ". */
  readonly fields: ReadonlyMap<string, string>;
}

/** How the reader goes on behind a head. */
export type BodyRule = "by-fields" | "none" | "until-close" | "raw";

export interface MessageHandler {
  onHead(head: Head): BodyRule;
  onMessage(head: Head, body: Uint8Array): void;
  /** Bytes that are not HTTP any more. */
  onRaw(bytes: Uint8Array): void;
}

const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;
const CHUNK_LINE = /^[0-9A-Fa-f]{1,8}$/;
const EMPTY = Buffer.alloc(0);

type State =
  | "head"
  | "content"
  | "chunk-line"
  | "chunk"
  | "chunk-end"
  | "trailers"
  | "close"
  | "raw";

export class HttpReader {
  private readonly handler: MessageHandler;
  private state: State = "head";
  private pending: Buffer = EMPTY;
  private head: Head | null = null;
  private parts: Uint8Array[] = [];
  private left = 0;

  constructor(handler: MessageHandler) {
    this.handler = handler;
  }

  /** Inside a message, also one of which only some bytes of the head are here. */
  get isPartial(): boolean {
    return this.state !== "raw" && (this.state !== "head" || this.pending.length > 0);
  }

  feed(bytes: Uint8Array): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pending = this.pending.length === 0 ? view : Buffer.concat([this.pending, view]);
    while (this.advance());
  }

  /** The connection has ended: so does a body without length. */
  finish(): void {
    if (this.state === "close") this.complete();
  }

  /** One step; false: nothing more can be read from what is here. */
  private advance(): boolean {
    switch (this.state) {
      case "head":
        return this.readHead();
      case "content":
      case "chunk":
        return this.readContent();
      case "chunk-line":
        return this.readChunkLine();
      case "chunk-end":
        if (this.pending.length < 2) return false;
        if (this.takeText(2) !== "\r\n") throw new Violation("no CRLF behind a chunk");
        this.state = "chunk-line";
        return true;
      case "trailers":
        return this.readTrailer();
      case "close":
        if (this.pending.length > 0) this.parts.push(this.take(this.pending.length));
        return false;
      case "raw":
        if (this.pending.length > 0) this.handler.onRaw(this.take(this.pending.length));
        return false;
    }
  }

  private readHead(): boolean {
    const end = this.pending.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const [line = "", ...lines] = this.takeText(end + 4)
      .slice(0, -4)
      .split("\r\n");
    const fields = new Map<string, string>();
    for (const text of lines) {
      const match = FIELD_LINE.exec(text);
      if (match === null) throw new Violation(`bad field line ${JSON.stringify(text)}`);
      const name = match[1]!.toLowerCase();
      const before = fields.get(name);
      fields.set(name, before === undefined ? match[2]! : `${before}, ${match[2]}`);
    }
    this.head = { line, fields };
    this.parts = [];
    this.begin(this.handler.onHead(this.head));
    return true;
  }

  private begin(rule: BodyRule): void {
    const { fields, line } = this.head!;
    if (rule === "raw") this.state = "raw";
    else if (rule === "none") this.complete();
    else if (rule === "until-close") this.state = "close";
    else {
      const coding = fields.get("transfer-encoding");
      const length = fields.get("content-length");
      if (coding !== undefined && (coding !== "chunked" || length !== undefined))
        throw new Violation(`framing of ${line}: ${coding} and ${length}`);
      if (coding !== undefined) this.state = "chunk-line";
      else this.beginContent(length ?? "0");
    }
  }

  private beginContent(length: string): void {
    if (!/^(0|[1-9][0-9]*)$/.test(length)) throw new Violation(`Content-Length: ${length}`);
    this.left = Number(length);
    this.state = "content";
    if (this.left === 0) this.complete();
  }

  private readContent(): boolean {
    if (this.pending.length === 0) return false;
    const part = this.take(Math.min(this.left, this.pending.length));
    this.parts.push(part);
    this.left -= part.length;
    if (this.left > 0) return false;
    if (this.state === "chunk") this.state = "chunk-end";
    else this.complete();
    return true;
  }

  private readChunkLine(): boolean {
    const line = this.takeLine();
    if (line === null) return false;
    if (!CHUNK_LINE.test(line)) throw new Violation(`chunk size ${JSON.stringify(line)}`);
    this.left = Number.parseInt(line, 16);
    this.state = this.left === 0 ? "trailers" : "chunk";
    return true;
  }

  private readTrailer(): boolean {
    const line = this.takeLine();
    if (line === null) return false;
    if (line === "") this.complete();
    return true;
  }

  private complete(): void {
    const { parts } = this;
    const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.state = "head";
    this.parts = [];
    this.handler.onMessage(this.head!, body);
  }

  private takeLine(): string | null {
    const end = this.pending.indexOf("\r\n");
    return end < 0 ? null : this.takeText(end + 2).slice(0, -2);
  }

  private take(count: number): Buffer {
    const taken = this.pending.subarray(0, count);
    this.pending = this.pending.subarray(count);
    return taken;
  }

  private takeText(count: number): string {
    return this.take(count).toString("latin1");
  }
}
