// The kernel's half of TLS without a kernel: what native code says is up to the test.

import type { EventLoop } from "../../runtime/data/event-loop.ts";
import { type KernelCalls, KernelTls } from "../../runtime/data/ktls.ts";

const NOTHING: KernelCalls = {
  tlsToKernel: () => 0,
  tlsInputRest: () => 0,
  tlsFree: () => 0,
  ktlsAttach: () => 0,
  ktlsReadControl: () => 0,
};

/** One worker's. `warnings` gets what it logs. */
export function kernelTls(
  calls: Partial<KernelCalls>,
  told: Uint8Array,
  warnings: string[] = [],
): KernelTls {
  const loop = {
    owner: 1,
    bytes: new Uint8Array(4096),
    buffers: { addressOf: (at: number) => at, addressHigh: 0 },
    observer: null,
    onWarning: (text: string) => warnings.push(text),
  };
  return new KernelTls(loop as unknown as EventLoop, { ...NOTHING, ...calls }, false, told);
}
