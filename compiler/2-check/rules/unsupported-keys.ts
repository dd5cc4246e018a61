// Keys that the language has and this version does not act on yet. When a feature is built, its
// row goes. A `*` stands for any name or index.

export interface UnsupportedKey {
  readonly path: readonly string[];
  /** Values that mean the feature is off; absent: none does. */
  readonly off?: readonly unknown[];
  /** Any value that starts like this is unsupported, others are fine. */
  readonly startsWith?: string;
}

export const unsupportedKeys: readonly UnsupportedKey[] = [
  { path: ["performance", "io"], off: ["auto", "io_uring"] },
  { path: ["tls"] },
  { path: ["upstreams", "*", "servers", "*"], startsWith: "https://" },
  { path: ["upstreams", "*", "servers", "*", "url"], startsWith: "https://" },
  ...routeRows(["host_routes", "*"]),
  ...routeRows(["path_routes", "*", "*"]),
];

function routeRows(route: readonly string[]): UnsupportedKey[] {
  return [
    { path: [...route, "url"], startsWith: "https://" },
    { path: [...route, "tls_verify"], off: [true] },
    { path: [...route, "tls_ca_path"] },
  ];
}
