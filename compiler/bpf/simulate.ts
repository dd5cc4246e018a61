// A machine for classic BPF, as the kernel runs it on a connection request: the data begins at the
// payload, which is empty, and negative offsets reach the headers.

import {
  ALU_OPERATIONS,
  CLASS_ALU,
  CLASS_JUMP,
  CLASS_LOAD,
  CLASS_MISC,
  COMPARISONS,
  LOAD_SIZES,
  NETWORK_HEADER,
  SOURCE_X,
} from "./instruction.ts";
import type { Numbers } from "./verify.ts";

/**
 * Runs a verified program on a packet whose network header is `header`. Returns its result; like
 * the kernel, 0 for a load outside the packet.
 */
export function simulate(program: readonly Numbers[], header: Uint8Array): number {
  let a = 0;
  let x = 0;
  for (let at = 0; ; at++) {
    const { code, ifTrue, ifFalse, operand } = program[at]!;
    switch (code & 0x07) {
      case CLASS_LOAD: {
        const loaded = loadAt(header, (operand | 0) - NETWORK_HEADER, code & 0x18);
        if (loaded < 0) return 0;
        a = loaded;
        break;
      }
      case CLASS_ALU:
        a = calculate(code & 0xf0, a, (code & SOURCE_X) !== 0 ? x : operand);
        break;
      case CLASS_JUMP:
        if ((code & 0xf0) === 0) at += operand;
        else at += compare(code & 0xf0, a, operand) ? ifTrue : ifFalse;
        break;
      case CLASS_MISC:
        x = a;
        break;
      default:
        return a;
    }
  }
}

function loadAt(header: Uint8Array, offset: number, size: number): number {
  const bytes = size === LOAD_SIZES[4] ? 4 : size === LOAD_SIZES[2] ? 2 : 1;
  if (offset < 0 || offset + bytes > header.length) return -1;
  let value = 0;
  for (let index = 0; index < bytes; index++) value = value * 256 + header[offset + index]!;
  return value;
}

function calculate(operation: number, a: number, by: number): number {
  switch (operation) {
    case ALU_OPERATIONS.add:
      return (a + by) >>> 0;
    case ALU_OPERATIONS.mul:
      return Math.imul(a, by) >>> 0;
    case ALU_OPERATIONS.or:
      return (a | by) >>> 0;
    case ALU_OPERATIONS.and:
      return (a & by) >>> 0;
    case ALU_OPERATIONS.lsh:
      return (a << by) >>> 0;
    case ALU_OPERATIONS.rsh:
      return a >>> by;
    case ALU_OPERATIONS.mod:
      return a % by;
    default:
      return (a ^ by) >>> 0;
  }
}

function compare(test: number, a: number, value: number): boolean {
  switch (test) {
    case COMPARISONS.eq:
      return a === value;
    case COMPARISONS.gt:
      return a > value;
    case COMPARISONS.ge:
      return a >= value;
    default:
      return (a & value) !== 0;
  }
}
