// systemd, or whatever speaks its protocol: it passes listening sockets (LISTEN_FDS), is told when
// the server is ready, reloads and stops (sd_notify(3)), and ends a server that goes quiet. Without
// the environment it sets, none of this happens.

import type { Addon } from "../native.ts";

/** SD_LISTEN_FDS_START. */
const LISTEN_FD_FIRST = 3;

type Environment = Record<string, string | undefined>;

/**
 * The descriptors that were passed to this very process. Takes the variables out of the
 * environment, so that nobody else takes them for their own.
 */
export function passedDescriptors(env: Environment, pid: number): number[] {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  const count = Number(LISTEN_FDS ?? 0);
  if (Number(LISTEN_PID) !== pid || !Number.isInteger(count) || count < 0) return [];
  return Array.from({ length: count }, (_, index) => LISTEN_FD_FIRST + index);
}

export class ServiceManager {
  private readonly addon: Addon;
  private readonly address: string | undefined;
  /** Undefined: nobody watches. */
  private readonly watchdogMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(addon: Addon, env: Environment, pid: number) {
    this.addon = addon;
    this.address = env.NOTIFY_SOCKET;
    const micros = Number(env.WATCHDOG_USEC);
    const forUs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
    if (micros > 0 && forUs) this.watchdogMs = micros / 1000;
  }

  ready(status: string): void {
    this.say("READY=1", `STATUS=${status}`);
  }

  /** Followed by `ready`, also when nothing came of it. */
  reloading(): void {
    const micros = process.hrtime.bigint() / 1000n;
    this.say("RELOADING=1", `MONOTONIC_USEC=${micros}`, "STATUS=reloading");
  }

  stopping(): void {
    this.say("STOPPING=1", "STATUS=finishing requests");
  }

  /**
   * Calls `isAlive` twice in the time that the manager allows, and gives a sign of life when it
   * says so.
   */
  watch(isAlive: () => boolean): void {
    if (this.watchdogMs === undefined || this.address === undefined) return;
    this.timer = setInterval(() => {
      if (isAlive()) this.say("WATCHDOG=1");
    }, this.watchdogMs / 2);
    this.timer.unref();
  }

  private say(...lines: string[]): void {
    // A manager that does not listen is no reason to stop serving.
    if (this.address !== undefined) this.addon.notify(this.address, lines.join("\n"));
  }
}
