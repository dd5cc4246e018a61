// The part of JSON Schema draft-07 that config.schema.json uses. The printers and the checker walk
// the schema through this type, so a keyword that is not listed here cannot be relied upon.

export type SchemaType = "object" | "array" | "string" | "integer" | "boolean";

export interface SchemaNode {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: SchemaType | readonly SchemaType[];
  readonly enum?: readonly string[];
  /** What each value of `enum` means, in its order; no validator looks at it. */
  readonly enumDescriptions?: readonly string[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly propertyNames?: SchemaNode;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly definitions?: Readonly<Record<string, SchemaNode>>;
}

const REF_PREFIX = "#/definitions/";

/** The name in a `$ref`, or undefined when the node is written in place. */
export function refName(node: SchemaNode): string | undefined {
  return node.$ref?.slice(REF_PREFIX.length);
}

/** Follows `$ref`; throws on a name that `root` does not define. */
export function resolveNode(root: SchemaNode, node: SchemaNode): SchemaNode {
  const name = refName(node);
  if (name === undefined) return node;
  const target = root.definitions?.[name];
  if (target === undefined) throw new Error(`the schema has no definition ${name}`);
  return target;
}

/** The types a node allows, always as a list. */
export function typesOf(node: SchemaNode): readonly SchemaType[] {
  if (node.type === undefined) return [];
  return typeof node.type === "string" ? [node.type] : node.type;
}

/** Keywords that are there for editors and for the reference page; ajv is to skip them. */
export const EDITOR_KEYWORDS = ["enumDescriptions"];
