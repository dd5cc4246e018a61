// The schema of a file of tests, which stands beside a configuration: its `tests` alone.

import type { SchemaNode } from "./schema-node.ts";

/** `root` is the schema of configurations. */
export function testFileSchema(root: SchemaNode): SchemaNode {
  const { tests } = root.properties ?? {};
  if (tests === undefined) throw new Error("the schema knows no tests");
  const words = ["RouteTest", "RouteTestExpectation"];
  const definitions = Object.entries(root.definitions ?? {}).filter(([name]) =>
    words.includes(name),
  );
  return {
    ...root,
    title: "Tests",
    description: "Expectations about the zproxy configuration beside this file.",
    required: ["tests"],
    properties: { tests },
    definitions: Object.fromEntries(definitions),
  };
}
