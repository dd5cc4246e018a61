// Classic BPF as typed instructions with labels: written down once, then resolved to the numbers
// the kernel takes. Nobody counts jumps by hand.

/** A number that is known when the server starts, by its name. */
export type Operand = number | "workers";

type AluName = "add" | "mul" | "mod" | "and" | "or" | "xor" | "lsh" | "rsh";
type Comparison = "eq" | "gt" | "ge" | "set";

/** One line of a program. A is the accumulator, X the index register. */
export type Line =
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "load"; readonly bytes: 1 | 2 | 4; readonly offset: number }
  | { readonly kind: "alu"; readonly name: AluName; readonly by: Operand | "x" }
  | { readonly kind: "a-to-x" }
  | { readonly kind: "jump"; readonly to: string }
  | {
      readonly kind: "jump-if";
      readonly test: Comparison;
      readonly value: number;
      readonly yes: string;
      readonly no: string;
    }
  | { readonly kind: "return" };

/** What the kernel takes (struct sock_filter), and the same in words. */
export interface Instruction {
  readonly code: number;
  /** Instructions to skip. */
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly operand: Operand;
  readonly text: string;
  /** Names that jumps have for this place. */
  readonly labels: readonly string[];
}

/** Offsets from here on count from the network header (SKF_NET_OFF), wherever the data begins. */
export const NETWORK_HEADER = -0x100000;

export const label = (name: string): Line => ({ kind: "label", name });
/** A = the packet's bytes at `offset`, in network order. */
export const load = (bytes: 1 | 2 | 4, offset: number): Line => ({ kind: "load", bytes, offset });
/** A = A, changed by a number or by X. */
export const alu = (name: AluName, by: Operand | "x"): Line => ({ kind: "alu", name, by });
/** X = A. */
export const copyToX: Line = { kind: "a-to-x" };
export const jump = (to: string): Line => ({ kind: "jump", to });
export const jumpIf = (
  test: Comparison,
  value: number,
  to: { readonly yes: string; readonly no: string },
): Line => ({ kind: "jump-if", test, value, ...to });
/** Ends with A as the result. */
export const returnA: Line = { kind: "return" };

/** Bits of an opcode (linux/bpf_common.h): class, size and mode, or operation and source. */
export const CLASS_LOAD = 0x00;
export const CLASS_ALU = 0x04;
export const CLASS_JUMP = 0x05;
export const CLASS_RETURN = 0x06;
export const CLASS_MISC = 0x07;
export const MODE_ABSOLUTE = 0x20;
export const SOURCE_X = 0x08;
export const RETURN_A = 0x10;

export const LOAD_SIZES = { 4: 0x00, 2: 0x08, 1: 0x10 } as const;
export const ALU_OPERATIONS: Readonly<Record<AluName, number>> = {
  add: 0x00,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
};
export const COMPARISONS: Readonly<Record<Comparison, number>> = {
  eq: 0x10,
  gt: 0x20,
  ge: 0x30,
  set: 0x40,
};

const LOAD_NAMES = { 4: "ld", 2: "ldh", 1: "ldb" } as const;

/** Turns labels into distances. Throws for a label that is missing, twice there, or behind. */
export function resolve(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>();
  const labels: string[][] = [[]];
  let at = 0;
  for (const line of lines) {
    if (line.kind !== "label") {
      labels[++at] = [];
      continue;
    }
    if (places.has(line.name)) throw new Error(`two labels are called ${line.name}`);
    places.set(line.name, at);
    labels[at]!.push(line.name);
  }
  const distanceTo = (name: string, from: number): number => {
    const place = places.get(name);
    if (place === undefined) throw new Error(`no label is called ${name}`);
    if (place <= from) throw new Error(`${name} lies behind a jump to it`);
    return place - from - 1;
  };
  return lines
    .filter((line) => line.kind !== "label")
    .map((line, index) => ({
      ...resolveLine(line, (name) => distanceTo(name, index)),
      labels: labels[index]!,
    }));
}

type Resolved = Omit<Instruction, "labels">;

function resolveLine(
  line: Exclude<Line, { kind: "label" }>,
  distanceTo: (name: string) => number,
): Resolved {
  const plain = (code: number, operand: Operand, text: string): Resolved => {
    return { code, ifTrue: 0, ifFalse: 0, operand, text };
  };
  switch (line.kind) {
    case "load": {
      const code = CLASS_LOAD | MODE_ABSOLUTE | LOAD_SIZES[line.bytes];
      const text = `${LOAD_NAMES[line.bytes]} [${printOffset(line.offset)}]`;
      return plain(code, line.offset >>> 0, text);
    }
    case "alu": {
      const code = CLASS_ALU | ALU_OPERATIONS[line.name];
      if (line.by === "x") return plain(code | SOURCE_X, 0, `${line.name} x`);
      return plain(code, line.by, `${line.name} #${printOperand(line.by)}`);
    }
    case "a-to-x":
      return plain(CLASS_MISC, 0, "tax");
    case "jump":
      return plain(CLASS_JUMP, distanceTo(line.to), `ja ${line.to}`);
    case "jump-if":
      return {
        code: CLASS_JUMP | COMPARISONS[line.test],
        ifTrue: distanceTo(line.yes),
        ifFalse: distanceTo(line.no),
        operand: line.value,
        text: `j${line.test} #${printOperand(line.value)}, ${line.yes}, ${line.no}`,
      };
    case "return":
      return plain(CLASS_RETURN | RETURN_A, 0, "ret a");
  }
}

function printOffset(offset: number): string {
  return offset < 0 ? `network + ${offset - NETWORK_HEADER}` : String(offset);
}

function printOperand(operand: Operand): string {
  if (typeof operand === "string") return operand;
  return operand < 1000 ? String(operand) : `0x${operand.toString(16)}`;
}

/** The program for a number of workers: every operand is a number then. */
export function bindWorkers(
  program: readonly Instruction[],
  workers: number,
): (Instruction & { readonly operand: number })[] {
  return program.map((it) => ({ ...it, operand: it.operand === "workers" ? workers : it.operand }));
}
