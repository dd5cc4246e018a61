// Reads the conformance cases from their Markdown. The notation is explained, with an example, in
// test/conformance/README.md; a mistake in a file is an error that names file and line.

import { decodeBlock, decodeText } from "./conformance-notation.ts";

export interface ConformanceCase {
  /** "file.md:line", of the title. */
  readonly place: string;
  readonly title: string;
  /** Client and client-sees blocks in turn. */
  readonly exchanges: readonly CaseExchange[];
  /** Exactly the whole requests that the upstream receives. */
  readonly requests: readonly string[];
  readonly answers: readonly CaseAnswer[];
  readonly ending: "stays" | "closes";
  /** Why the case can't come behind another request on its connection; undefined: it can. */
  readonly notPipelined: string | undefined;
  /** Why the client's part can't be cut; undefined: it can. */
  readonly notCut: string | undefined;
}

/** What the client sends in one go, and what it sees before it sends any more. */
export interface CaseExchange {
  readonly bytes: string;
  readonly end: boolean;
  readonly sees: readonly ExpectedMessage[];
}

export interface CaseAnswer {
  readonly bytes: string;
  /** Sent as soon as the request's head is there; empty: nothing. */
  readonly interim: string;
  /** Never cut: behind it is what would be taken for the answer to a later request. */
  readonly whole: boolean;
  readonly after: "request" | "head";
  readonly afterwards: "stay" | "close" | "reset";
}

export interface ExpectedMessage {
  readonly toHead: boolean;
  /** Undefined: zproxy's own error, whose text is known but for its request id. */
  readonly statusLine: string | undefined;
  /** Of an error of zproxy's own; else 0. */
  readonly errorStatus: number;
  /** All fields but those that every answer has. */
  readonly fields: readonly (readonly [string, string])[];
  readonly trailers: readonly (readonly [string, string])[];
  readonly body: string;
  /** "cut": the answer is broken off; "maybe": or this message comes, as the pieces have it. */
  readonly cut: "never" | "maybe" | "always";
}

interface Block {
  readonly kind: string;
  readonly words: readonly string[];
  readonly lines: readonly string[];
  readonly line: number;
}

interface Section {
  readonly title: string;
  readonly line: number;
  readonly prose: string[];
  readonly blocks: Block[];
}

/** Reads one file. Throws an Error that starts with "file:line: ". */
export function readCases(file: string, text: string): ConformanceCase[] {
  return sectionsOf(file, text).map((section) => caseOf(file, section));
}

function mistake(file: string, line: number, what: string): Error {
  return new Error(`${file}:${line}: ${what}`);
}

function sectionsOf(file: string, text: string): Section[] {
  const sections: Section[] = [];
  let open: { kind: string; words: string[]; lines: string[]; line: number } | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    const section = sections.at(-1);
    if (open !== undefined) {
      if (raw !== "```") {
        open.lines.push(raw);
        continue;
      }
      section?.blocks.push(open);
      open = undefined;
    } else if (raw.startsWith("## ")) {
      sections.push({ title: raw.slice(3), line, prose: [], blocks: [] });
    } else if (raw.startsWith("```")) {
      if (section === undefined) throw mistake(file, line, "a block before the first case");
      const [kind = "", ...words] = raw.slice(3).split(" ");
      open = { kind, words, lines: [], line };
    } else if (raw !== "") {
      section?.prose.push(raw);
    }
  }
  if (open !== undefined) throw mistake(file, open.line, "a block that does not end");
  if (sections.length === 0) throw mistake(file, 1, "no case");
  return sections;
}

function caseOf(file: string, section: Section): ConformanceCase {
  const { title, line, prose, blocks } = section;
  if (prose.length === 0) throw mistake(file, line, "no sentence says why the case matters");
  const exchanges: { bytes: string; end: boolean; sees: ExpectedMessage[] }[] = [];
  const requests: string[] = [];
  const answers: CaseAnswer[] = [];
  let ending: ConformanceCase["ending"] | undefined;
  let interim = "";
  for (const block of blocks) {
    const at = (what: string) => mistake(file, block.line, what);
    const words = new Set(block.words);
    const take = (word: string) => words.delete(word);
    try {
      if (block.kind === "client") {
        exchanges.push({ bytes: decodeBlock(block.lines), end: take("end"), sees: [] });
      } else if (block.kind === "upstream-sees") {
        requests.push(decodeBlock(block.lines));
      } else if (block.kind === "upstream-answers") {
        if (take("interim")) {
          interim += decodeBlock(block.lines);
          continue;
        }
        const whole = take("whole");
        const after = take("early") ? "head" : "request";
        const afterwards = take("close") ? "close" : take("reset") ? "reset" : "stay";
        answers.push({ bytes: decodeBlock(block.lines), interim, whole, after, afterwards });
        interim = "";
      } else if (block.kind === "client-sees") {
        const exchange = exchanges.at(-1);
        if (exchange === undefined) throw new Error("client-sees before client");
        if (ending !== undefined) throw new Error("an answer behind the one that says how it ends");
        ending = take("stays") ? "stays" : take("closes") ? "closes" : undefined;
        const toHead = take("head");
        const times = block.words.find((word) => TIMES.test(word)) ?? "x1";
        take(times);
        if (block.lines.length > 0) {
          const expected = expectedOf(block.lines, toHead, ending === "closes");
          for (let count = Number(times.slice(1)); count > 0; count--) exchange.sees.push(expected);
        }
      } else throw new Error(`unknown block "${block.kind}"`);
    } catch (error) {
      throw at((error as Error).message);
    }
    for (const word of words) throw at(`unknown word "${word}"`);
  }
  if (exchanges.length === 0) throw mistake(file, line, "no client block");
  if (interim !== "") throw mistake(file, line, "an interim answer without the answer");
  if (ending === undefined) throw mistake(file, line, "the last client-sees: stays or closes?");
  const notPipelined = reasonIn(prose, "Not pipelined");
  const notCut = reasonIn(prose, "Not cut");
  const place = `${file}:${line}`;
  return { place, title, exchanges, requests, answers, ending, notPipelined, notCut };
}

/** The reason on the line "What: reason" of a case's prose. */
function reasonIn(prose: readonly string[], what: string): string | undefined {
  const start = `${what}: `;
  return prose.find((line) => line.startsWith(start))?.slice(start.length);
}

/** `x32`: so many answers that are alike. */
const TIMES = /^x[1-9]\d*$/;
const ERROR = /^error (\d{3})( or cut)?$/;
/** The answer that requests get for which a case scripts none, as it is relayed. */
const OK_FIELDS = [["content-length", "2"]] as const;

function expectedOf(lines: readonly string[], toHead: boolean, closes: boolean): ExpectedMessage {
  const [first = "", ...others] = lines;
  const blank = others.indexOf("");
  const fieldLines = blank < 0 ? others : others.slice(0, blank);
  const body = blank < 0 ? "" : decodeBlock(others.slice(blank + 1));
  const pairs = fieldLines.map(pairOf);
  const trailers = pairs.filter(([name]) => name === "in-trailer").map(([, line]) => pairOf(line));
  const fields = pairs.filter(([name]) => name !== "in-trailer");
  if (closes) fields.push(["connection", "close"]);
  const base = { toHead, fields, trailers, body, errorStatus: 0, cut: "never" } as const;
  if (first === "cut") return { ...base, statusLine: undefined, cut: "always" };
  const error = ERROR.exec(first);
  if (error !== null) {
    const cut = error[2] === undefined ? "never" : "maybe";
    return { ...base, statusLine: undefined, errorStatus: Number(error[1]), cut };
  }
  if (first === "ok") {
    const okFields = [...OK_FIELDS, ...fields];
    return { ...base, statusLine: "HTTP/1.1 200 OK", fields: okFields, body: toHead ? "" : "ok" };
  }
  const statusLine = decodeText(first);
  if (!/^HTTP\/1\.1 \d{3} /.test(statusLine)) throw new Error(`not a status line: ${first}`);
  const interim = statusLine.startsWith("HTTP/1.1 1");
  return { ...base, statusLine, fields: interim ? fields.filter(isNotClose) : fields };
}

function isNotClose([name, value]: readonly [string, string]): boolean {
  return name !== "connection" || value !== "close";
}

function pairOf(line: string): [string, string] {
  const match = /^([^:]+):[ \t]*(.*)$/.exec(decodeText(line));
  if (match === null) throw new Error(`not a field line: ${line}`);
  return [(match[1] ?? "").toLowerCase(), match[2] ?? ""];
}
