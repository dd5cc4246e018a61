// Every key of the schema has a say in what is generated: one that nothing reads would be a promise
// that nobody keeps. Each key is set, in one configuration that has a table of every kind, to its
// examples and to the values of its type, until one of them changes a generated file.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify, type TomlTable } from "smol-toml";
import { compile } from "zproxy/compiler/compile.ts";
import schema from "zproxy/schema/config.schema.json" with { type: "json" };
import { resolveNode, type SchemaNode, typesOf } from "zproxy/schema/schema-node.ts";

const root = schema as SchemaNode;

/** Keys that this can't be said of, and why. */
const EXCEPTIONS: readonly (readonly [RegExp, string])[] = [
  [/^tests(\[|$)/, "read by `zproxy test` and not by the server: see test/golden/route-tests"],
  [/_routes\..*\.type$/, "says which of the other keys are there, so it can't change alone"],
];

/** A configuration with a table of every kind, and with what the examples refer to. */
function base(): TomlTable {
  const proxy = { type: "Proxy", url: "https://127.0.0.1:8443/", security: {} };
  const when = { name: "target", if: 'header("x") == "1"' };
  const routes = {
    "/files": { path: "site", when: [{ ...when, path: "other" }], security: {} },
    "/url": { ...proxy, when: [{ ...when, type: "Proxy", url: "https://127.0.0.1:8444/" }] },
    "/group": {
      type: "Proxy",
      upstream: "pool",
      when: [{ ...when, type: "Proxy", upstream: "pool" }],
    },
  };
  const server = { url: "http://127.0.0.1:9001" };
  return {
    server: { listen: "127.0.0.1:8080" },
    logging: {},
    security: {},
    performance: {},
    admin: { listen: "127.0.0.1:9999" },
    tls: {
      cert_path: "cert.pem",
      key_path: "key.pem",
      ktls_enabled: true,
      certificates: [{ cert_path: "second.pem", key_path: "second.key" }],
    },
    upstreams: {
      api: { servers: [{ url: "http://127.0.0.1:9000" }] },
      pool: { servers: [server, { url: "http://127.0.0.1:9002" }], health_check: {} },
    },
    host_routes: Object.fromEntries(
      Object.values(routes).map((route, index) => [`host${index}.test`, structuredClone(route)]),
    ),
    path_routes: { "*": routes },
  };
}

/** What would be generated, or undefined when the configuration is wrong. */
function generated(config: TomlTable): string | undefined {
  const { files } = compile({ path: "keys.toml", text: stringify(config) });
  return files.length === 0 ? undefined : files.map(({ path, text }) => path + text).join("\n");
}

/** Values to try a key with. */
function samplesOf(node: SchemaNode): unknown[] {
  const { examples = [], minimum, maximum } = node;
  const values = [...examples, ...(node.enum ?? []), minimum, maximum];
  if (typesOf(node).includes("boolean")) values.push(true, false);
  return values.filter((value) => value !== undefined);
}

/** A table of the base, found again in a copy of it: from the root down. */
type Place = readonly (string | number)[];

function tableAt(config: TomlTable, place: Place): TomlTable {
  return place.reduce<TomlTable>((table, key) => table[key] as TomlTable, config);
}

interface Key {
  readonly name: string;
  readonly node: SchemaNode;
  /** The tables of the base that may have it. */
  readonly places: readonly Place[];
}

/** Every key with a value of its own, by walking the schema and the base side by side. */
function keysBelow(node: SchemaNode, name: string, places: readonly Place[]): Key[] {
  const target = resolveNode(root, node);
  const valueAt = (place: Place): unknown => tableAt(base(), place);
  const inner = (key: string): Place[] =>
    places.flatMap((place) => {
      const value = tableAt(base(), place)[key];
      return value === undefined ? [] : [[...place, key]];
    });
  const keys: Key[] = [];
  for (const [key, own] of Object.entries(target.properties ?? {})) {
    const path = name === "" ? key : `${name}.${key}`;
    const child = resolveNode(root, own);
    const types = typesOf(child);
    const isTable = types.includes("object");
    if (!isTable && types.length > 0) keys.push({ name: path, node: child, places });
    if (isTable || types.includes("array")) keys.push(...keysBelow(child, path, inner(key)));
  }
  if (typeof target.additionalProperties === "object") {
    const named = places.flatMap((place) =>
      Object.keys(valueAt(place) as object).map((key) => [...place, key]),
    );
    keys.push(...keysBelow(target.additionalProperties, `${name}.*`, named));
  }
  if (target.items !== undefined) {
    const items = places.flatMap((place) => {
      const value = valueAt(place);
      return Array.isArray(value) ? value.map((_, index) => [...place, index]) : [];
    });
    keys.push(...keysBelow(target.items, `${name}[]`, items));
  }
  return keys;
}

/** Whether some value of the key changes what is generated. */
function hasEffect({ name, node, places }: Key, before: string): boolean {
  const key = name.slice(name.lastIndexOf(".") + 1);
  return places.some((place) =>
    samplesOf(node).some((sample) => {
      const config = base();
      tableAt(config, place)[key] = sample as TomlTable;
      const after = generated(config);
      return after !== undefined && after !== before;
    }),
  );
}

test("every key changes what is generated", () => {
  const before = generated(base());
  assert.ok(before !== undefined, JSON.stringify(compile({ path: "", text: stringify(base()) })));
  const keys = keysBelow(root, "", [[]]);
  const checked = keys.filter(({ name }) => !EXCEPTIONS.some(([pattern]) => pattern.test(name)));
  assert.ok(checked.length >= 90, `${checked.length} keys`);
  const idle = checked.filter((key) => !hasEffect(key, before)).map(({ name }) => name);
  assert.deepEqual(idle, [], "no value of these keys has an effect");
  for (const [pattern] of EXCEPTIONS)
    assert.ok(
      keys.some(({ name }) => pattern.test(name)),
      `${pattern} is no key`,
    );
});
