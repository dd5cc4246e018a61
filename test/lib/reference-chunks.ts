// The chunked coding (RFC 9112 section 7.1) read over a string, as far as it goes, with the bounds
// that the proxy sets.

import { LinePattern, TOKEN, VALUE } from "./reference-head.ts";

const EXTENSION_BYTES_MAX = 1024;
const TRAILER_BYTES_MAX = 8192;
const TRAILER_NAME_MAX = 64;

export interface ReferenceChunks {
  readonly verdict: "done" | "incomplete" | "bad";
  /** Behind the body, when it is done. */
  readonly end: number;
  /** What has come of the content. */
  readonly content: string;
}

const SIZE_LINE = new LinePattern(["([0-9A-Fa-f]{1,12})", `((?:;${VALUE}*)?)`, "\\r", "\\n"]);
const TRAILER = new LinePattern([
  `(${TOKEN}{1,${TRAILER_NAME_MAX}})`,
  ":",
  `${VALUE}*`,
  "\\r",
  "\\n",
]);
const REFUSED = /^(content-length|transfer-encoding|host)$/i;
/** Of a request also what a proxy takes out of heads, writes itself, or acts on. */
const REFUSED_IN_REQUESTS = new RegExp(
  [
    REFUSED.source,
    "^(connection|keep-alive|proxy-connection|te|upgrade|expect|forwarded)$",
    "^x[-_]forwarded[-_](for|proto|host)$",
    "^(range|if-(range|match|none-match|modified-since|unmodified-since))$",
  ].join("|"),
  "i",
);

/** Decodes what there is of a body; what follows its end is not looked at. */
export function referenceChunks(text: string, isRequest: boolean): ReferenceChunks {
  const contents: string[] = [];
  let extensionBytes = 0;
  const stop = (verdict: ReferenceChunks["verdict"], end = -1): ReferenceChunks => ({
    verdict,
    end,
    content: contents.join(""),
  });
  let at = 0;
  for (;;) {
    const line = SIZE_LINE.match(text, at);
    extensionBytes += extensionSoFar(text, at);
    if (extensionBytes > EXTENSION_BYTES_MAX) return stop("bad");
    if (typeof line === "string") return stop(line === "incomplete" ? "incomplete" : "bad");
    at += line[0].length;
    const size = Number.parseInt(line[1] as string, 16);
    if (size === 0) break;
    contents.push(text.slice(at, at + size));
    at += size;
    if (at >= text.length) return stop("incomplete");
    const ending = text.slice(at, at + 2);
    if (ending !== "\r\n") return stop(ending === "\r" ? "incomplete" : "bad");
    at += 2;
  }
  const trailer = trailerVerdict(text, at, isRequest ? REFUSED_IN_REQUESTS : REFUSED);
  return typeof trailer === "number" ? stop("done", trailer) : stop(trailer);
}

/**
 * Bytes of the extension in the line at `at`: from the semicolon to the CR, which may be missing.
 */
function extensionSoFar(text: string, at: number): number {
  const extension = /^[0-9A-Fa-f]{1,12};([^\r\n]*\r?)/.exec(text.slice(at, at + 4096));
  return extension === null ? 0 : (extension[1] as string).length;
}

/** The end of the trailer section that starts at `start`, or why there is none. */
function trailerVerdict(
  text: string,
  start: number,
  refused: RegExp,
): number | "incomplete" | "bad" {
  let at = start;
  for (;;) {
    if (at - start > TRAILER_BYTES_MAX) return "bad";
    if (text.startsWith("\r\n", at)) return at + 2 - start > TRAILER_BYTES_MAX ? "bad" : at + 2;
    const line = TRAILER.match(text, at);
    const name = /^[^:]*(?=:)/.exec(text.slice(at, at + 100))?.[0] ?? "";
    if (refused.test(name)) return "bad";
    if (typeof line !== "string") {
      at += line[0].length;
      continue;
    }
    if (text.slice(at) === "\r")
      return text.length - start > TRAILER_BYTES_MAX ? "bad" : "incomplete";
    if (line !== "incomplete" || text.length - start > TRAILER_BYTES_MAX) return "bad";
    return "incomplete";
  }
}
