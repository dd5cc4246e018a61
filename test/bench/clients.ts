// What a rule about client addresses costs, by number of blocks: the generated function, run in
// this process over seeded clients, half of them in a block. The compiler's limit stands on this.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { lowerAddresses } from "../../compiler/3-lower/lower-addresses.ts";
import { type AddressForm, emitAddressFunction } from "../../compiler/4-emit/emit-addresses.ts";
import { Name } from "../../compiler/4-emit/text.ts";
import { blockHolds } from "../../compiler/ir/address-block.ts";
import { Random } from "../lib/random.ts";
import type { MatchRun } from "./match.ts";
import { median, type Row, spreadPercent } from "./row.ts";

const SEED = 7;
const CLIENTS = 4_096;
const REPEATS = 100;

interface Subject {
  readonly blocks: number;
  readonly form: AddressForm;
}

const SMALL = [8, 16, 24, 32, 48, 64, 96];
const SUBJECTS: readonly Subject[] = [
  ...SMALL.flatMap((blocks) => (["compares", "set"] as const).map((form) => ({ blocks, form }))),
  { blocks: 5_000, form: "set" },
];

interface LoadedRule {
  readonly holds: (word: number) => boolean;
  /** Nanoseconds for one client. */
  readonly time: (words: Int32Array, repeats: number) => number;
}

export async function runClientsCase(run: MatchRun): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-bench-clients-"));
  try {
    const invalid: string[] = [];
    const rules: { label: string; time: () => number; nanos: number[] }[] = [];
    for (const subject of run.smoke ? SUBJECTS.slice(0, 2) : SUBJECTS) {
      const label = `${subject.blocks} blocks, ${subject.form}`;
      const random = new Random(SEED);
      const texts = Array.from({ length: subject.blocks }, () => randomBlock(random));
      const rule = await loadRule(join(folder, label), texts, subject.form);
      const words = Int32Array.from({ length: CLIENTS }, () => randomClient(texts, random));
      invalid.push(...wrongAnswers(label, rule, texts, words));
      rules.push({ label, time: () => rule.time(words, REPEATS), nanos: [] });
    }
    for (const { time } of rules) time();
    for (let round = 0; round < run.rounds; round++) {
      for (const { time, nanos } of round % 2 === 0 ? rules : [...rules].reverse()) {
        nanos.push(time());
      }
    }
    const figures = rules.map(({ label, nanos }) => ({
      label,
      metrics: { nanosPerMatch: median(nanos), spreadPercent: spreadPercent(nanos) },
    }));
    const raw = rules.map(({ label, nanos }) => ({ label, nanos }));
    const title = "rules about clients: compares beside a set, half of the clients in a block";
    return { name: "clients", title, figures, ratios: [], noise: [], invalid, raw };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function randomBlock(random: Random): string {
  const octets = Array.from({ length: 3 }, () => random.below(256));
  return random.below(2) === 0
    ? `${octets.join(".")}.0/24`
    : `${octets.join(".")}.${random.below(256)}`;
}

function randomClient(blocks: readonly string[], random: Random): number {
  const text = random.below(2) === 0 ? random.pick(blocks) : randomBlock(random);
  return wordOf(text.split("/")[0]!);
}

function wordOf(text: string): number {
  return text.split(".").reduce((word, octet) => (word << 8) | Number(octet), 0);
}

async function loadRule(
  folder: string,
  texts: readonly string[],
  form: AddressForm,
): Promise<LoadedRule> {
  const allowed = lowerAddresses(texts);
  const rules = { denied: [], allowed, otherwise: false };
  const rule = emitAddressFunction(new Name("allows"), rules, new Name("clients"), form);
  const contents = `import { AddressSet, type ClientAddress } from "zproxy/runtime/data/api.ts";
${rule.text}
const client = { isIpv4: true, word0: 0, word1: 0, word2: 0, word3: 0 };
export function holds(word: number): boolean {
  client.word3 = word;
  return allows(client);
}
export function time(words: Int32Array, repeats: number): number {
  let count = 0;
  const start = process.hrtime.bigint();
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let at = 0; at < words.length; at++) if (holds(words[at]!)) count++;
  }
  const nanos = Number(process.hrtime.bigint() - start);
  if (count === 0) throw new Error("no client is in a block");
  return nanos / repeats / words.length;
}
`;
  const outfile = `${folder.replaceAll(/[ ,]+/g, "-")}.mjs`;
  const { outputFiles } = await build({
    stdin: { contents, loader: "ts", resolveDir: resolve(".") },
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    alias: { zproxy: resolve(".") },
    define: { CHECKS: "false" },
    tsconfigRaw: {},
  });
  writeFileSync(outfile, outputFiles[0]!.contents);
  return (await import(pathToFileURL(outfile).href)) as LoadedRule;
}

function wrongAnswers(
  label: string,
  { holds }: LoadedRule,
  texts: readonly string[],
  words: Int32Array,
): string[] {
  const blocks = lowerAddresses(texts);
  const some = words.subarray(0, 256);
  const wrong = some.filter((word) => {
    return holds(word) !== blocks.some((block) => blockHolds(block, [word >>> 0]));
  });
  return wrong.length === 0 ? [] : [`${label}: ${wrong.length} clients got the wrong answer`];
}
