// The ways to replay a conformance case: whole, behind another request, with another behind it, cut
// in two at each byte in either direction, and byte by byte. Whatever the way, one case has one
// outcome.

import type { CaseAnswer, ConformanceCase, ExpectedMessage } from "./conformance-cases.ts";
import type {
  ClientStep,
  ConformanceEngine,
  Script,
  UpstreamAnswer,
} from "./conformance-engine.ts";
import { type Expectation, judge } from "./conformance-judge.ts";

/** Longer inputs are cut at their ends and at every so many bytes between. */
const CUT_ALL_BYTES_MAX = 500;
const CUT_STEP = 499;
/** Longer inputs are not sent byte by byte: the pauses would add up to minutes. */
const SINGLE_BYTES_MAX = 600;
const PARALLEL = 32;

/** One way to run a case. */
export interface Replay {
  readonly name: string;
  readonly script: Script;
  readonly expectation: Expectation;
}

/** A step before its bytes are cut. */
interface Part {
  readonly bytes: Uint8Array;
  readonly end: boolean;
  readonly sees: readonly ExpectedMessage[];
}

type Cut = (bytes: Uint8Array) => Uint8Array[];

const WHOLE: Cut = (bytes) => [bytes];
const SINGLE: Cut = (bytes) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));

const OK: ExpectedMessage = {
  toHead: false,
  statusLine: "HTTP/1.1 200 OK",
  errorStatus: 0,
  fields: [["content-length", "2"]],
  trailers: [],
  body: "ok",
  cut: "never",
};
const OK_ANSWER: CaseAnswer = {
  bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  interim: "",
  whole: true,
  after: "request",
  afterwards: "stay",
};

/** A good request, and what the upstream sees of it. */
function goodRequest(path: string): { part: Part; seen: string } {
  const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  const forwarded = [
    "Host: {upstream}",
    "X-Forwarded-For: {client}",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: test",
    "Via: 1.1 zproxy",
  ];
  const seen = `GET ${path} HTTP/1.1\r\n${forwarded.join("\r\n")}\r\n\r\n`;
  return { part: { bytes, end: false, sees: [OK] }, seen };
}

const BEFORE = goodRequest("/before");
const AFTER = goodRequest("/after");

/** Bytes behind a cut that must be the same for two cuts to be the same. */
const CUT_BYTES_BEHIND = 16;

/**
 * The cuts that have been made. Most cases begin alike, and a cut with the same bytes before it and
 * the next few behind it leaves a reader in the same place: it is made once.
 */
export class CutsMade {
  readonly #made = new Set<string>();

  /** Whether a cut of `text` at `at` is the first of its kind; remembers it. */
  isFirst(text: string, at: number): boolean {
    const key = `${at} ${text.slice(0, at + CUT_BYTES_BEHIND)}`;
    if (this.#made.has(key)) return false;
    this.#made.add(key);
    return true;
  }
}

/** Every way to replay the case but for cuts that have been made already. */
function* replaysOf(given: ConformanceCase, made: CutsMade): Generator<Replay> {
  const parts = partsOf(given);
  const stays = given.ending === "stays";
  // A request that follows proves that the connection stays and that nothing is left over.
  const all = stays ? [...parts, AFTER.part] : parts;
  yield replayOf(given, "whole", all, WHOLE, WHOLE);
  if (given.notPipelined === undefined) {
    yield replayOf(given, "behind another", mergeFirst(BEFORE.part, all), WHOLE, WHOLE, true);
  }
  if (stays && parts.length === 1 && given.notPipelined === undefined) {
    yield replayOf(given, "with another behind", mergeFirst(parts[0] as Part, [AFTER.part]));
  }
  const sent = given.exchanges.map(({ bytes }) => bytes).join("");
  const canCut = given.notCut === undefined;
  for (const at of canCut ? cutOffsets(sent, made) : []) {
    yield replayOf(given, `cut at byte ${at}`, all, cutAt(at), WHOLE);
  }
  if (canCut && sent.length <= SINGLE_BYTES_MAX)
    yield replayOf(given, "byte by byte", all, SINGLE, WHOLE);
  const answered = cuttableBytes(given);
  for (const at of cutOffsets(answered, made)) {
    yield replayOf(given, `answer cut at byte ${at}`, all, WHOLE, cutAt(at));
  }
  if (answered !== "" && answered.length <= SINGLE_BYTES_MAX) {
    yield replayOf(given, "answer byte by byte", all, WHOLE, SINGLE);
  }
}

function partsOf({ exchanges }: ConformanceCase): Part[] {
  return exchanges.map(({ bytes, end, sees }) => {
    return { bytes: Buffer.from(bytes, "latin1"), end, sees };
  });
}

/** Sends the first part's bytes in one go with those of the part behind it. */
function mergeFirst(first: Part, others: readonly Part[]): Part[] {
  const [second, ...rest] = others;
  if (second === undefined) return [first];
  const bytes = Buffer.concat([first.bytes, second.bytes]);
  return [{ bytes, end: second.end, sees: [...first.sees, ...second.sees] }, ...rest];
}

function replayOf(
  given: ConformanceCase,
  name: string,
  parts: readonly Part[],
  cut: Cut = WHOLE,
  answerCut: Cut = WHOLE,
  isBehind = false,
): Replay {
  const closes = given.ending === "closes";
  const answers = given.answers.map((answer) => upstreamAnswer(answer, answerCut));
  const otherAnswer = upstreamAnswer(OK_ANSWER, WHOLE);
  const script: Script = {
    steps: stepsOf(parts, cut),
    answers: isBehind ? [otherAnswer, ...answers] : answers,
    otherAnswer,
    closes,
  };
  const requests = [...given.requests];
  if (isBehind) requests.unshift(BEFORE.seen);
  if (!closes) requests.push(AFTER.seen);
  const messages = parts.flatMap(({ sees }) => sees);
  const clientEnds = parts.some(({ end }) => end);
  const expectation: Expectation = { messages, requests, ending: given.ending, clientEnds };
  return { name, script, expectation };
}

/** Each cut goes over the bytes of all steps as if they were one. */
function stepsOf(parts: readonly Part[], cut: Cut): ClientStep[] {
  const messages: { toHead: boolean }[] = [];
  return parts.map(({ bytes, end, sees }) => {
    messages.push(...sees.map(({ toHead }) => ({ toHead })));
    return { pieces: cut(bytes), end, messages: [...messages] };
  });
}

/** A cut goes over the interim answer and the answer behind it as if they were one. */
function upstreamAnswer(answer: CaseAnswer, cut: Cut): UpstreamAnswer {
  const { bytes, interim, whole, after, afterwards } = answer;
  const piecesOf = (text: string) => (whole ? WHOLE : cut)(Buffer.from(text, "latin1"));
  return { interim: piecesOf(interim), pieces: piecesOf(bytes), after, afterwards };
}

/** Bytes of the answers that may be cut. */
function cuttableBytes({ answers }: ConformanceCase): string {
  const texts = answers.filter(({ whole }) => !whole).map((it) => it.interim + it.bytes);
  return texts.join("");
}

/** Cuts at one offset of several inputs in a row; the others stay whole. */
function cutAt(offset: number): Cut {
  let passed = 0;
  return (bytes) => {
    const at = offset - passed;
    passed += bytes.length;
    return at > 0 && at < bytes.length ? [bytes.subarray(0, at), bytes.subarray(at)] : [bytes];
  };
}

function cutOffsets(text: string, made: CutsMade): number[] {
  const total = text.length;
  const offsets: number[] = [];
  for (let at = 1; at < total; at++) {
    const nearEnd = Math.min(at, total - at) <= CUT_ALL_BYTES_MAX / 2;
    if (total > CUT_ALL_BYTES_MAX && !nearEnd && at % CUT_STEP !== 0) continue;
    if (made.isFirst(text, at)) offsets.push(at);
  }
  return offsets;
}

/**
 * Runs every replay of the case and returns their number. Throws when one differs, with its name;
 * the whole input goes first and alone, because its difference is the one to read.
 */
export async function replayCase(
  engine: ConformanceEngine,
  given: ConformanceCase,
  made: CutsMade,
): Promise<number> {
  const [whole, ...others] = [...replaysOf(given, made)];
  const count = others.length + 1;
  if (whole !== undefined) await replay(engine, given, whole);
  let failed = false;
  const runOthers = async () => {
    for (let next = others.pop(); next !== undefined && !failed; next = others.pop()) {
      await replay(engine, given, next).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, runOthers));
  return count;
}

async function replay(
  engine: ConformanceEngine,
  { place }: ConformanceCase,
  { name, script, expectation }: Replay,
): Promise<void> {
  try {
    judge(await engine.run(script), expectation);
  } catch (error) {
    throw new Error(`${place}: ${name}: ${(error as Error).message}`);
  }
}
