// What the comparison of two configurations finds, as plain data.

import type { AddressSet } from "../2-check/values/address-range.ts";
import type { Condition as RequestCondition } from "../ir/condition.ts";
import type { MethodSet } from "../ir/method-set.ts";
import type { Region } from "./regions.ts";

/** Whether a change lets more through than before, or less. */
export type Mark = "wider" | "narrower" | "neutral";

/** Sizes above `from` up to `to`. */
export interface SizeRange {
  readonly from: number;
  readonly to: number;
}

/** Requests that meet all of some conditions. */
export interface Guard {
  readonly conditions: readonly RequestCondition[];
  readonly text: string;
}

/** Which requests of a region a change is about; what is absent takes all of them. */
export interface Condition {
  readonly clients?: AddressSet;
  readonly methods?: MethodSet;
  readonly bodyBytes?: SizeRange;
  readonly headBytes?: SizeRange;
  /** One of these. */
  readonly when?: readonly Guard[];
}

/** A request that a change shows itself by. */
export interface Witness {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** With its "?"; "" for none. */
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly client: string;
  readonly bodyBytes: number;
  /** Bytes that the head is padded to; 0: none. */
  readonly headBytes: number;
}

/** Requests that are treated differently, all in the same way. */
export interface Change {
  readonly kind: "route" | "target" | "clients" | "methods" | "body size" | "head size";
  readonly mark: Mark;
  /** What changes, in words. */
  readonly text: string;
  /** Empty: everywhere. */
  readonly regions: readonly Region[];
  readonly condition: Condition;
  readonly witness: Witness;
}

/** A setting that no single request shows. */
export interface SettingChange {
  /** The key path. */
  readonly key: string;
  /** The key path that held before, for requests that another route or target takes now. */
  readonly was?: string;
  readonly mark: Mark;
  readonly before: string;
  readonly after: string;
  /** Which requests, clients or servers it is about, in words; absent when it is about none. */
  readonly requests?: string;
  /** Present where a reload does not apply it. */
  readonly takesRestart?: true;
}
