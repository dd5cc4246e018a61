// Rules about client addresses. Few blocks become code: one compare for each, the block's text
// above it. More become the lines of a set, which is searched by halves: from some two dozen blocks
// on that is faster (`npm run bench -- --case clients`), and V8 never optimises thousands of
// compares.

import type { AddressBlockIr } from "../ir/ir.ts";
import { comment } from "./layout.ts";
import { COLUMNS_MAX, Code, code, from, indent, joinCode, Name, type Origin } from "./text.ts";

const IPV4_WORD = 3;

export interface AddressRules {
  /** Looked at first: the answer is false. */
  readonly denied: readonly AddressBlockIr[];
  /** The answer is true. */
  readonly allowed: readonly AddressBlockIr[];
  /** The answer for addresses in no block: true only when none is allowed by name. */
  readonly otherwise: boolean;
  /** Where each list is written; absent when it is part of another value. */
  readonly deniedList?: Origin;
  readonly allowedList?: Origin;
}

const COMPARES_MAX = 24;

/** Whether a rule's blocks become a set, whose class is to be imported from the API. */
export function isAddressSet(blocks: readonly AddressBlockIr[]): boolean {
  return blocks.length > COMPARES_MAX;
}

/** `compares` or a `set`; `auto` takes the faster. */
export type AddressForm = "auto" | "compares" | "set";

/**
 * A function from a `ClientAddress` to a boolean. Its type is to be imported from the API. A set is
 * called `setName`.
 */
export function emitAddressFunction(
  name: Name,
  rules: AddressRules,
  setName: Name,
  form: AddressForm = "auto",
): Code {
  const many = isAddressSet([...rules.denied, ...rules.allowed]);
  return form === "set" || (form === "auto" && many)
    ? emitSet(name, rules, setName)
    : emitCompares(name, rules);
}

function emitSet(name: Name, rules: AddressRules, setName: Name): Code {
  const { denied, allowed, deniedList, allowedList } = rules;
  const entries = [
    ...denied.map(({ text }) => fromEntry(deniedList, text, code`${`not ${text}`},`)),
    ...allowed.map(({ text }) => fromEntry(allowedList, text, code`${text},`)),
  ];
  return code`const ${setName} = new AddressSet([
${indent(joinCode(entries))}
]);

function ${name}(client: ClientAddress): boolean {
  return ${setName}.has(client);
}`;
}

/** Lines for one block of a list. */
function fromEntry(list: Origin | undefined, text: string, lines: Code): Code {
  return list === undefined ? lines : from([...list, text], lines);
}

function emitCompares(name: Name, rules: AddressRules): Code {
  const ipv4 = familyLines(rules, 4, 2);
  const ipv6 = familyLines(rules, 6, 1);
  const first =
    ipv4.length === 1
      ? code`if (isIpv4) ${ipv4[0]!}`
      : code`if (isIpv4) {\n${indent(joinCode(ipv4))}\n}`;
  const words = [0, 1, 2, 3]
    .filter((index) => [...ipv4, ...ipv6].some(({ text }) => text.includes(`word${index} `)))
    .map((index) => new Code(`word${index}`));
  const names = [code`isIpv4`, ...words];
  const line = code`function ${name}({ ${joinCode(names, ", ")} }: ClientAddress): boolean {`;
  const lines = joinCode(names.map((it) => code`  ${it},`));
  const head =
    line.text.length <= COLUMNS_MAX
      ? line
      : code`function ${name}({\n${lines}\n}: ClientAddress): boolean {`;
  return code`${head}
${indent(joinCode([first, ...ipv6]))}
}`;
}

/** Statements for the addresses of one version; they end with a return. */
function familyLines(rules: AddressRules, version: 4 | 6, depth: number): Code[] {
  const lines: Code[] = [];
  const decides = rules.otherwise || rules.allowed.some((it) => it.version === version);
  if (!decides) return [code`return false;`];
  for (const [blocks, list, result] of [
    [rules.denied, rules.deniedList, false],
    [rules.allowed, rules.allowedList, true],
  ] as const) {
    for (const block of blocks.filter((it) => it.version === version)) {
      const heading = comment(`${result ? "" : "denied: "}${block.text}`);
      // A block of all addresses is the only one of its list, and nothing can come behind it.
      const isAll = block.prefixBits === 0;
      const compare = isAll ? code`return ${result};` : emitCompare(block, result, depth);
      lines.push(...[heading, compare].map((part) => fromEntry(list, block.text, part)));
      if (isAll) return lines;
    }
  }
  return [...lines, code`return ${rules.otherwise};`];
}

function emitCompare(block: AddressBlockIr, result: boolean, depth: number): Code {
  const parts = block.words.flatMap((word, index) => {
    const bits = Math.min(32, block.prefixBits - index * 32);
    return bits > 0 ? [compareWord(block.version === 4 ? IPV4_WORD : index, word, bits)] : [];
  });
  const condition = joinCode(parts, " && ");
  const end = code`return ${result};`;
  const line = code`if (${condition}) ${end}`;
  if (depth * 2 + line.text.length <= COLUMNS_MAX) return line;
  const head = code`if (${condition}) {`;
  if (depth * 2 + head.text.length <= COLUMNS_MAX) return code`${head}\n  ${end}\n}`;
  return code`if (\n${indent(joinCode(parts, " &&\n"))}\n) {\n  ${end}\n}`;
}

/** Whether the first `bits` of a word are those of `value`. */
function compareWord(index: number, value: number, bits: number): Code {
  const name = new Name(`word${index}`);
  if (bits === 32 && value === 0) return code`${name} === 0`;
  const digits = (value >>> (32 - bits)).toString(16).padStart(Math.ceil(bits / 4), "0");
  return code`${name} >>> ${32 - bits} === ${new Code(`0x${digits}`)}`;
}
