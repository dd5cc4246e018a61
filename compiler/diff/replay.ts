// Proves a change: its witness is asked of both programs, and the answers differ.

import type { RequestProbe } from "../../runtime/control/probe-types.ts";
import { urlHost } from "../2-check/values/host-name.ts";
import { type Decision, decide } from "../explain/decision.ts";
import type { Ir } from "../ir/ir.ts";
import type { Change, Witness } from "./change.ts";
import { otherWitnesses } from "./changes.ts";

export interface Side {
  readonly ir: Ir;
  readonly probe: RequestProbe;
}

export interface ProvedChange extends Change {
  /** The witness as it can be typed behind `zproxy explain`. */
  readonly request: string;
  readonly before: string;
  readonly after: string;
}

/** Undefined when no request shows the change: another rule hides it. */
export function prove(change: Change, before: Side, after: Side): ProvedChange | undefined {
  const first = replay(change, change.witness, before, after);
  if (first !== undefined) return first;
  for (const witness of otherWitnesses(change)) {
    const other = replay(change, witness, before, after);
    if (other !== undefined) return other;
  }
  return undefined;
}

function replay(
  change: Change,
  witness: Witness,
  before: Side,
  after: Side,
): ProvedChange | undefined {
  const old = ask(witness, before);
  const young = ask(witness, after);
  if (sameAnswer(old, young)) return undefined;
  return {
    ...change,
    witness,
    request: printWitness(witness),
    before: printAnswer(old),
    after: printAnswer(young),
  };
}

export function ask(witness: Witness, { ir, probe }: Side): Decision {
  const question = { request: printWitness(witness), head: headOf(witness), peer: witness.client };
  return decide(ir, probe, question);
}

/** The empty line that ends a head belongs to its size. */
const HEAD_END_BYTES = 4;

export function headOf(witness: Witness): string {
  const { method, host, path, query, headers, bodyBytes, headBytes } = witness;
  const fields = headers.map(([name, value]) => `${name}: ${value}`);
  const lines = [`${method} ${path}${query} HTTP/1.1`, `Host: ${urlHost(host)}`, ...fields];
  if (bodyBytes > 0) lines.push(`Content-Length: ${bodyBytes}`);
  const head = lines.join("\r\n");
  const padding = "\r\nX-Padding: ";
  const missing = headBytes - head.length - padding.length - HEAD_END_BYTES;
  return missing > 0 ? head + padding + "x".repeat(missing) : head;
}

function printWitness(witness: Witness): string {
  const { method, host, path, query, headers, client, bodyBytes, headBytes } = witness;
  const whole = path === "*" ? path : `http://${urlHost(host)}${path}${query}`;
  const url = /[&?;*'"$`\\|<>(){}!]/.test(query) ? quoted(whole) : whole;
  const fields = headers.map(([name, value]) => ` -H ${quoted(`${name}: ${value}`)}`).join("");
  const body = bodyBytes > 0 ? ` -H "Content-Length: ${bodyBytes}"` : "";
  const head = headBytes > 0 ? `, with a head of ${headBytes} bytes` : "";
  return `${method} ${url} --ip ${client}${fields}${body}${head}`;
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Whether a client, or a server behind, could tell the two apart. */
export function sameAnswer(a: Decision, b: Decision): boolean {
  return JSON.stringify(answerOf(a)) === JSON.stringify(answerOf(b));
}

function answerOf({ status, outcome }: Decision): unknown {
  if (outcome?.kind !== "proxy") {
    // A slash at the end means a folder, whose name is the same without it.
    return [status, outcome?.file.replace(/(?<=.)\/+$/, ""), outcome?.index];
  }
  // Which server comes first means nothing to a request.
  return outcome.targets.map(({ url, head }) => [url, ...head]).sort();
}

function printAnswer({ status, outcome }: Decision): string {
  if (status !== undefined || outcome === undefined) return String(status);
  if (outcome.kind === "file") return `${outcome.file} (${outcome.index})`;
  const [first] = outcome.targets;
  const host = first!.head.find((line) => /^host:/i.test(line)) ?? "";
  const others = outcome.targets.length > 1 ? ` or ${outcome.targets.length - 1} more` : "";
  return `${first!.url}${others}, ${host}`;
}
