// Loaded into every thread of a server under test by lib/faults.ts: stands between the bundle and
// its addon, so that the shipped code meets a clock that jumps and a worker that dies. It is told
// what to do by files in the folder ZPROXY_FAULTS:
//
//   skip       milliseconds by which the clocks of all workers are ahead
//   crash-N    worker N throws inside its loop, once
//   hold       workers that start wait until it is gone
//
// and by the environment: ZPROXY_FAULT_RESULTS holds, as JSON, what calls return instead of being
// made, by their names; ZPROXY_FAULT_IPV6 what is returned instead of a socket for IPv6.

const { existsSync, readFileSync, unlinkSync } = require("node:fs");
const { join } = require("node:path");

const folder = process.env.ZPROXY_FAULTS;
/** CLOCK_MONOTONIC_MS of native/abi.ts. */
const CLOCK_MONOTONIC_MS = 0;

const results = Object.entries(JSON.parse(process.env.ZPROXY_FAULT_RESULTS ?? "{}"));
const fixedCalls = Object.fromEntries(results.map(([name, result]) => [name, () => result]));

const ipv6Result = Number(process.env.ZPROXY_FAULT_IPV6 ?? "0");

function skippedMs() {
  try {
    return Number(readFileSync(join(folder, "skip"), "utf8"));
  } catch {
    return 0;
  }
}

function mayCrash(owner) {
  try {
    unlinkSync(join(folder, `crash-${owner}`));
  } catch {
    return;
  }
  throw new Error("injected crash");
}

function waitToStart() {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  while (existsSync(join(folder, "hold"))) Atomics.wait(nothing, 0, 0, 5);
}

function withFaults(addon) {
  let owner = -1;
  let clock;
  return {
    ...addon,
    ...fixedCalls,
    socket: (of, ipv6) => (ipv6 && ipv6Result !== 0 ? ipv6Result : addon.socket(of, ipv6)),
    ringOpen(ringOwner, ...rest) {
      owner = ringOwner;
      waitToStart();
      return addon.ringOpen(ringOwner, ...rest);
    },
    ringClock(handle) {
      clock = addon.ringClock(handle);
      return clock;
    },
    ringEnter(...args) {
      mayCrash(owner);
      const result = addon.ringEnter(...args);
      if (clock !== undefined) clock[CLOCK_MONOTONIC_MS] += skippedMs();
      return result;
    },
  };
}

const dlopen = process.dlopen.bind(process);
process.dlopen = (module, path, ...rest) => {
  dlopen(module, path, ...rest);
  if (String(path).endsWith("zproxy.node")) module.exports = withFaults(module.exports);
};
