// Assertions of the data path. The shipped bundle is built with CHECKS = false, which folds the
// calls away; tests run both builds.

declare const CHECKS: boolean;

/** Stops the worker when a promise of our own code is broken; never for what a peer sent. */
export function check(condition: boolean): void {
  if (CHECKS && !condition) throw new Error("check failed");
}
