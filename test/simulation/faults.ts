// What may go wrong in one run, as probabilities. A scenario switches a few kinds on at random: a
// run with everything at once finds less than many runs with two or three kinds each.

import type { Random } from "../lib/random.ts";

/** Raised where the runtime breaks a rule; everything else that is thrown counts as one too. */
export class Violation extends Error {}

export function chance(random: Random, probability: number): boolean {
  return probability > 0 && random.next() < probability * 2 ** 32;
}

/**
 * Probabilities, each for one occasion. The first half is what a healthy kernel may do at any time,
 * so no client may see anything of it. The second half breaks exchanges, and leaves an `excuse` in
 * the history.
 */
export interface Faults {
  /** A receive, send or file read moves fewer bytes than it could. */
  short: number;
  /** An operation that could complete does so only some milliseconds later. */
  late: number;
  /** Of several operations that are ready, some complete in this turn, in any order. */
  reorder: number;
  /** A receive finds no provided buffer though there is one. */
  noBuffer: number;
  /** `enter` returns early and empty-handed, as after a signal. */
  wakeUp: number;
  /** `enter` takes only some of the submissions. */
  cutSubmission: number;
  /** A multishot accept ends with the connection that it brings. */
  acceptEnds: number;
  /** A multishot receive ends with the bytes that it brings. */
  receiveEnds: number;
  /** An accept fails: EMFILE, ENFILE, ECONNABORTED, ECANCELED. */
  acceptFails: number;
  /** sendfile takes nothing though there is room. */
  sendfileAgain: number;
  /** openat2 asks to be asked again. */
  openAgain: number;

  /** `socket` fails: EMFILE, ENFILE. */
  socketFails: number;
  /** openat2 fails: EMFILE, ENFILE, EIO. */
  openFails: number;
  /** A receive or send fails for no reason of its own: ECANCELED, ENOMEM, ETIMEDOUT. */
  operationFails: number;
  /** A file is cut short while it is being sent. */
  fileShrinks: number;
}

export const NO_FAULTS: Readonly<Faults> = {
  short: 0,
  late: 0,
  reorder: 0,
  noBuffer: 0,
  wakeUp: 0,
  cutSubmission: 0,
  acceptEnds: 0,
  receiveEnds: 0,
  acceptFails: 0,
  sendfileAgain: 0,
  openAgain: 0,
  socketFails: 0,
  openFails: 0,
  operationFails: 0,
  fileShrinks: 0,
};
