// How long a test waits for what must come. On a slow machine, such as the emulated one of test/vm,
// ZPROXY_TEST_PATIENCE multiplies it. A limit on waiting is never a measurement.

const FACTOR = Number(process.env.ZPROXY_TEST_PATIENCE ?? "1");

/** The limit in milliseconds for something that takes less than `ms` on any machine. */
export function patience(ms: number): number {
  return ms * FACTOR;
}
