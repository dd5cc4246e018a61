// Keys that the language has and this version does not act on yet. When a feature is built, its
// row goes. A `*` stands for any name or index.

export interface UnsupportedKey {
  readonly path: readonly string[];
  /** Values that mean the feature is off; absent: none does. */
  readonly off?: readonly unknown[];
}

export const unsupportedKeys: readonly UnsupportedKey[] = [
  { path: ["performance", "io"], off: ["auto", "io_uring"] },
];
