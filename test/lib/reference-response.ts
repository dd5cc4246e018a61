// Response heads (RFC 9112 section 4) read over strings, with the strictness that the proxy
// promises.

import {
  isConnectionLong,
  keepsAlive,
  LinePattern,
  type ReferenceField,
  type Refusal,
  referenceFields,
  VALUE,
  valuesOf,
} from "./reference-head.ts";

export interface ReferenceResponse {
  /** Behind the head. */
  readonly end: number;
  readonly status: number;
  readonly reason: string;
  readonly minorVersion: number;
  readonly fields: readonly ReferenceField[];
  readonly framing: "none" | "length" | "chunked" | "close";
  readonly contentLength: number;
  readonly keepAlive: boolean;
}

/** A status line; the reason and even the space before it may be missing. */
const STATUS_LINE = new LinePattern([
  ..."HTTP/1",
  "[.]",
  "([0-9])",
  " ",
  "([0-9])",
  "([0-9])",
  "([0-9])",
  `((?: ${VALUE}*)?)`,
  "\\r",
  "\\n",
]);

/** Reads one head from the start of `text`. `toHead`: the request was HEAD. */
export function referenceResponse(text: string, toHead: boolean): ReferenceResponse | Refusal {
  // No status begins with 0 or is above 599, which is said when the status is whole.
  if (/^HTTP\/1[.][0-9] [06-9][0-9]{2}[ \r]/.test(text)) return "bad";
  const line = STATUS_LINE.match(text, 0);
  if (typeof line === "string") return line;
  const [whole, minor, hundreds, tens, ones, reason] = [...line] as string[];
  const status = Number(`${hundreds}${tens}${ones}`);
  const section = referenceFields(text, (whole as string).length);
  if (typeof section === "string") return section;
  const { fields, end } = section;
  const minorVersion = minor === "0" ? 0 : 1;
  const framed = framingOf(fields, minorVersion);
  if (framed === undefined || isConnectionLong(fields)) return "bad";
  const hasNoBody = toHead || status < 200 || status === 204 || status === 304;
  const framing = hasNoBody ? "none" : framed.framing;
  const keepAlive = framing !== "close" && keepsAlive(fields, minorVersion);
  const { contentLength } = framed;
  const head = { end, status, reason: (reason as string).slice(1), minorVersion, fields };
  return { ...head, framing, contentLength, keepAlive };
}

type Framing = Pick<ReferenceResponse, "framing" | "contentLength">;

function framingOf(fields: readonly ReferenceField[], minorVersion: number): Framing | undefined {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (codings.length > 0) {
    const sound = codings.length === 1 && /^chunked$/i.test(codings[0] as string);
    if (!sound || lengths.length > 0 || minorVersion === 0) return undefined;
    return { framing: "chunked", contentLength: 0 };
  }
  if (lengths.length === 0) return { framing: "close", contentLength: 0 };
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0] as string)) return undefined;
  const contentLength = Number(lengths[0]);
  return { framing: contentLength > 0 ? "length" : "none", contentLength };
}
