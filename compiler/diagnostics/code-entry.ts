// What the registry knows about one code.

import type { Severity } from "./diagnostic.ts";

/** `P` holds the facts of one occurrence; message and hint are made from them. */
export interface CodeEntry<P> {
  readonly severity: Severity;
  /** What is wrong, without a full stop. */
  readonly message: (params: P) => string;
  /** What to do about it; a rule that knows better passes its own hint. */
  readonly hint: (params: P) => string;
  /** For the page of codes: what the code means and why it is not let through. */
  readonly meaning: string;
  /** For the page of codes: a configuration fragment with the mistake. */
  readonly example: string;
  /** For the page of codes: what to do. */
  readonly remedy: string;
  /** For the page of codes: the fragment without the mistake. */
  readonly corrected: string;
}

/** For a code whose message needs no facts. */
export type NoParams = Record<string, never>;

/** Checks an entry's shape and keeps the type of its params. */
export function entry<P = NoParams>(value: CodeEntry<P>): CodeEntry<P> {
  return value;
}
