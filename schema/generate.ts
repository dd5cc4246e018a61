// What "npm run generate" derives from the schema: the TypeScript types and the reference page.

import schema from "./config.schema.json" with { type: "json" };
import { printReference } from "./reference-printer.ts";
import type { SchemaNode } from "./schema-node.ts";
import { printTypes } from "./type-printer.ts";

/** Returns the generated files, paths from the repository root. */
export function generate(): { path: string; text: string }[] {
  const root = schema as SchemaNode;
  return [
    { path: "schema/config.generated.ts", text: printTypes(root) },
    { path: "schema/REFERENCE.md", text: printReference(root) },
  ];
}
