// Field sections of HTTP/1.1 said as plainly as possible, over strings with one character a byte.
// Each line is a list of parts; the list yields both the pattern of a whole line and that of every
// beginning of one, so that "not all here yet" and "can't become valid" are told apart exactly.

export const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
export const VALUE = "[\\t\\x20-\\x7e\\x80-\\xff]";

const FIELDS_MAX = 128;

/** Why a scan gives no head. */
export type Refusal = "incomplete" | "bad" | "too many" | "version";

/** A whole line, and all of its beginnings. */
export class LinePattern {
  private readonly whole: RegExp;
  private readonly beginning: RegExp;

  /** Every part but the last ends where the next begins, and has itself as its beginnings. */
  constructor(parts: readonly string[]) {
    this.whole = new RegExp(parts.join(""), "y");
    const nested = parts.reduceRight((rest, part) => `(?:${part.replace("(", "(?:")}${rest})?`, "");
    this.beginning = new RegExp(`${nested}$`, "y");
  }

  /** The match of a whole line at `at`, or why there is none. */
  match(text: string, at: number): RegExpExecArray | Refusal {
    this.whole.lastIndex = at;
    const match = this.whole.exec(text);
    if (match !== null) return match;
    this.beginning.lastIndex = at;
    return this.beginning.test(text) ? "incomplete" : "bad";
  }
}

export interface ReferenceField {
  readonly name: string;
  /** Without the white space around it. */
  readonly value: string;
  readonly lineStart: number;
  readonly valueStart: number;
}

export interface ReferenceFields {
  readonly fields: readonly ReferenceField[];
  /** Behind the empty line. */
  readonly end: number;
}

const FIELD = new LinePattern([`(${TOKEN}+)`, ":", `(${VALUE}*)`, "\\r", "\\n"]);

/** Reads field lines from `start` to the empty line (RFC 9112 section 5). */
export function referenceFields(text: string, start: number): ReferenceFields | Refusal {
  const fields: ReferenceField[] = [];
  let at = start;
  for (;;) {
    if (text.startsWith("\r\n", at)) return { fields, end: at + 2 };
    if (text.length === at || text.slice(at) === "\r") return "incomplete";
    if (text[at] === "\r") return "bad";
    if (fields.length === FIELDS_MAX) return "too many";
    const line = FIELD.match(text, at);
    if (typeof line === "string") return line;
    const [whole, name, content] = line as unknown as [string, string, string];
    const indent = (/^[ \t]*/.exec(content) as RegExpExecArray)[0].length;
    const value = content.replace(/^[ \t]+|[ \t]+$/g, "");
    const valueStart = at + name.length + 1 + indent;
    fields.push({ name, value, lineStart: at, valueStart });
    at += whole.length;
  }
}

/** The values of all fields of that name (lower-case), in order. */
export function valuesOf(fields: readonly ReferenceField[], name: string): string[] {
  return fields.filter((field) => field.name.toLowerCase() === name).map(({ value }) => value);
}

/** The members of the comma-separated lists of all fields of that name, lower-cased. */
export function tokensOf(fields: readonly ReferenceField[], name: string): string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.split(","))
    .map((item) => item.replace(/^[ \t]+|[ \t]+$/g, "").toLowerCase());
}

const CONNECTION_LENGTH_MAX = 256;

/** Whether all Connection fields together say more than anybody has to say there. */
export function isConnectionLong(fields: readonly ReferenceField[]): boolean {
  return valuesOf(fields, "connection").join("").length > CONNECTION_LENGTH_MAX;
}

/** Whether the connection stays after a message of this minor version. */
export function keepsAlive(fields: readonly ReferenceField[], minorVersion: number): boolean {
  const options = tokensOf(fields, "connection");
  if (options.includes("close")) return false;
  return options.includes("keep-alive") || minorVersion === 1;
}
