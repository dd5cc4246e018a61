// Whether the kernel would take a program, and whether it can fail at run time: the checks of
// bpf_check_classic, for the instructions that instruction.ts can write.

import {
  ALU_OPERATIONS,
  CLASS_ALU,
  CLASS_JUMP,
  CLASS_LOAD,
  CLASS_MISC,
  CLASS_RETURN,
  COMPARISONS,
  LOAD_SIZES,
  MODE_ABSOLUTE,
  NETWORK_HEADER,
  RETURN_A,
  SOURCE_X,
} from "./instruction.ts";

/** The numbers of one instruction. */
export interface Numbers {
  readonly code: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly operand: number;
}

/** BPF_MAXINSNS. */
const INSTRUCTIONS_MAX = 4096;

const LOADS = Object.values(LOAD_SIZES).map((size) => CLASS_LOAD | MODE_ABSOLUTE | size);
const ALUS = Object.values(ALU_OPERATIONS).map((operation) => CLASS_ALU | operation);
const JUMPS = Object.values(COMPARISONS).map((test) => CLASS_JUMP | test);
const RETURN = CLASS_RETURN | RETURN_A;
const MODULO = CLASS_ALU | ALU_OPERATIONS.mod;
const SHIFTS = [ALU_OPERATIONS.lsh, ALU_OPERATIONS.rsh].map((operation) => CLASS_ALU | operation);

const KNOWN: ReadonlySet<number> = new Set([
  ...LOADS,
  ...ALUS,
  ...ALUS.map((code) => code | SOURCE_X),
  ...JUMPS,
  CLASS_JUMP,
  CLASS_MISC,
  RETURN,
]);

/** What is wrong with a program: a sentence each, none when the kernel takes it. */
export function verify(program: readonly Numbers[]): string[] {
  const wrong: string[] = [];
  if (program.length === 0 || program.length > INSTRUCTIONS_MAX)
    wrong.push(`${program.length} instructions: 1 to ${INSTRUCTIONS_MAX} are allowed`);
  for (const [index, numbers] of program.entries()) {
    const reason = problemOf(numbers, program.length - index - 1);
    if (reason !== "") wrong.push(`instruction ${index}: ${reason}`);
  }
  // Jumps only lead forward, so a last instruction that returns is met on every way.
  if (program.length > 0 && program.at(-1)!.code !== RETURN)
    wrong.push("the last instruction does not return");
  return wrong;
}

/** `behind`: how many instructions follow. */
function problemOf({ code, ifTrue, ifFalse, operand }: Numbers, behind: number): string {
  if (!KNOWN.has(code)) return `unknown code 0x${code.toString(16)}`;
  if (!Number.isInteger(operand) || operand < 0 || operand > 0xffffffff)
    return "the operand is not an unsigned 32-bit number";
  if (code === MODULO && operand === 0) return "division by 0";
  if (SHIFTS.includes(code) && operand > 31) return `a shift by ${operand} bits`;
  // The data begins at the payload, of which a SYN has none: the load would end the program with 0.
  if (LOADS.includes(code) && (operand | 0) < NETWORK_HEADER) return "a load before the header";
  if (LOADS.includes(code) && (operand | 0) >= 0) return "a load from the payload, which is empty";
  if (code === CLASS_JUMP) return operand < behind ? "" : "a jump past the end";
  if (!JUMPS.includes(code)) return "";
  if (ifTrue > 255 || ifFalse > 255) return "a jump of more than 255 instructions";
  return Math.max(ifTrue, ifFalse) < behind ? "" : "a jump past the end";
}
