// What every part of the schema must be like, so that its errors are clear and its page is whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { schemaText } from "zproxy/compiler/commands/schema.ts";
import { editDistance, nearestName } from "zproxy/compiler/diagnostics/suggestion.ts";
import schema from "zproxy/schema/config.schema.json" with { type: "json" };
import {
  EDITOR_KEYWORDS,
  resolveNode,
  type SchemaNode,
  typesOf,
} from "zproxy/schema/schema-node.ts";
import { withRandom } from "../lib/random.ts";

const root = schema as SchemaNode;

/** Every node of the schema, with a name for messages. */
function nodes(): { name: string; node: SchemaNode }[] {
  const found: { name: string; node: SchemaNode }[] = [];
  const visit = (name: string, node: SchemaNode): void => {
    found.push({ name, node });
    for (const [key, child] of Object.entries(node.properties ?? {}))
      visit(`${name}.${key}`, child);
    if (typeof node.additionalProperties === "object")
      visit(`${name}.*`, node.additionalProperties);
    if (node.items !== undefined) visit(`${name}[]`, node.items);
  };
  visit("Config", root);
  for (const [name, node] of Object.entries(root.definitions ?? {})) visit(name, node);
  return found;
}

test("every node says what it is", () => {
  for (const { name, node } of nodes()) {
    const target = resolveNode(root, node);
    assert.ok((target.description ?? "").endsWith("."), name);
    assert.ok(typesOf(target).length > 0, name);
  }
});

/** Every key that a table has by name, with the schema of its value. */
function keys(): { name: string; own: SchemaNode; node: SchemaNode; required: boolean }[] {
  return nodes().flatMap(({ name, node }) =>
    Object.entries(node.properties ?? {}).map(([key, own]) => ({
      name: `${name}.${key}`,
      own,
      node: resolveNode(root, own),
      required: node.required?.includes(key) ?? false,
    })),
  );
}

test("every key has a title of its own words", () => {
  assert.ok(keys().length >= 70, `${keys().length} keys`);
  for (const { name, node } of nodes()) {
    if (name.endsWith("[]") || name.endsWith("headers.*")) continue;
    assert.match(resolveNode(root, node).title ?? "", /^(?:[A-Z]|kTLS)/, name);
  }
});

test("every key has a default, is required, or says what its absence means", () => {
  for (const { name, own, node, required } of keys()) {
    const told = required || own.default !== undefined;
    assert.ok(told || /\b(Absent|Required|Either)\b/.test(node.description ?? ""), name);
    assert.ok(!required || own.default === undefined, `${name} is required and has a default`);
  }
});

test("every key has an example, unless its values are few", () => {
  const few = ({ enum: values, type }: SchemaNode): boolean =>
    values !== undefined || type === "boolean";
  for (const { name, node } of keys()) {
    assert.ok(few(node) || (node.examples ?? []).length > 0, name);
    for (const example of node.examples ?? []) {
      assert.notDeepEqual(example, node.default, `${name}: an example is not the default`);
    }
  }
});

test("examples may be copied", () => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, keywords: EDITOR_KEYWORDS });
  ajv.addSchema(schema, "config");
  const validate = (pointer: string, { examples = [] }: SchemaNode): void => {
    for (const example of examples) {
      const isValid = ajv.validate({ $ref: `config#${pointer}` }, example);
      assert.ok(isValid, `${pointer}: ${JSON.stringify(example)}`);
    }
  };
  for (const [key, node] of Object.entries(root.properties ?? {}))
    validate(`/properties/${key}`, node);
  for (const [name, definition] of Object.entries(root.definitions ?? {})) {
    validate(`/definitions/${name}`, definition);
    for (const [key, node] of Object.entries(definition.properties ?? {}))
      validate(`/definitions/${name}/properties/${key}`, node);
  }
});

test("every value of an enumeration has a text, in both spellings that editors read", () => {
  let values = 0;
  for (const { name, node } of nodes()) {
    assert.equal(node.enumDescriptions?.length, node.enum?.length, name);
    for (const text of node.enumDescriptions ?? []) assert.match(text, /^[A-Za-z].*\.$/, name);
    values += node.enum?.length ?? 0;
  }
  assert.ok(values >= 18, `${values} values`);
  const printed = JSON.parse(schemaText());
  const { algorithm } = printed.definitions.Upstream.properties;
  assert.deepEqual(algorithm["x-taplo"].docs.enumValues, algorithm.enumDescriptions);
});

test("no table takes unknown keys", () => {
  for (const { name, node } of nodes()) {
    if (!typesOf(node).includes("object")) continue;
    const names = Object.keys(node.properties ?? {}).length;
    if (names > 0) assert.equal(node.additionalProperties, false, name);
    else assert.equal(typeof node.additionalProperties, "object", name);
  }
});

test("every integer has both ends, and every default is one of the allowed values", () => {
  for (const { name, node } of nodes()) {
    const { minimum, maximum } = node;
    if (typesOf(node).includes("integer")) {
      assert.ok(minimum !== undefined && maximum !== undefined && minimum < maximum, name);
    }
    if (typeof node.default === "number") {
      assert.ok(node.default >= (minimum ?? 0) && node.default <= (maximum ?? 0), name);
    }
    if (node.enum !== undefined && node.default !== undefined) {
      assert.ok(node.enum.includes(String(node.default)), name);
    }
  }
});

test("a default that can be written down is named by its description", () => {
  for (const { name, node } of nodes()) {
    if (node.default === undefined || typeof node.default === "object") continue;
    assert.ok(node.description?.includes("Default "), name);
    assert.ok(node.description?.includes(String(node.default)), name);
  }
});

test("the same text gives the same result", () => {
  const source = { path: "a.toml", text: '[server]\nlisten = "x"\nthreds = 1\n' };
  assert.deepEqual(checkSource(source), checkSource({ ...source, path: "b.toml" }));
});

test("edit distance is a distance", async () => {
  await withRandom((random) => {
    const word = (): string =>
      Array.from({ length: random.below(6) }, () => random.pick(["a", "b", "c"])).join("");
    for (let round = 0; round < 3000; round++) {
      const [a, b] = [word(), word()];
      const distance = editDistance(a, b, 100);
      assert.equal(distance, editDistance(b, a, 100));
      assert.equal(distance === 0, a === b);
      assert.ok(distance >= Math.abs(a.length - b.length));
      assert.ok(distance <= Math.max(a.length, b.length));
      assert.equal(editDistance(a, b, 2), Math.min(distance, 2));
    }
  });
  assert.equal(editDistance("listen", "lisetn", 9), 1);
  assert.equal(editDistance("kitten", "sitting", 9), 3);
});

test("a suggestion is near, or there is none", () => {
  const known = ["listen", "threads", "trusted_proxies"];
  assert.equal(nearestName("lisen", known), "listen");
  assert.equal(nearestName("LISTEN", known), "listen");
  assert.equal(nearestName("thraeds", known), "threads");
  assert.equal(nearestName("workers", known), undefined);
  assert.equal(nearestName("", known), undefined);
  assert.equal(nearestName("b", ["a"]), undefined);
});

/** Where the tables are written that have timeouts. */
const TABLES: Readonly<Record<string, string>> = {
  Server: '[server]\nlisten = "0.0.0.0:80"\n',
  RouteSecurity: '[host_routes."*".security]\n',
  HealthCheck: "[upstreams.a.health_check]\n",
};

test("no timeout is 0 but the one of a stop, which then waits without end", () => {
  const timeouts = Object.entries(root.definitions ?? {}).flatMap(([table, { properties }]) =>
    Object.keys(properties ?? {})
      .filter((key) => /timeout_secs$/.test(key))
      .map((key) => ({ table, key })),
  );
  assert.ok(timeouts.length > 4);
  for (const { table, key } of timeouts) {
    const codesFor = (value: number): string[] => {
      const text = `${TABLES[table]!}${key} = ${value}\n`;
      const { diagnostics } = checkSource({ path: "config.toml", text });
      return diagnostics.map(({ code }) => code).filter((code) => code === "schema/out-of-range");
    };
    const isFree = key === "shutdown_timeout_secs";
    assert.deepEqual(codesFor(0), isFree ? [] : ["schema/out-of-range"], key);
    assert.deepEqual(codesFor(1), [], key);
  }
});
