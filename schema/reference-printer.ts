// Prints the schema as a reference page: one list for each section of the configuration file.

import { refName, resolveNode, type SchemaNode, typesOf } from "./schema-node.ts";

const MARK =
  '<!-- Generated from schema/config.schema.json. Run "npm run generate"; do not edit. -->';

const HEADER = `${MARK}

# Configuration reference

Every key of a zproxy configuration file. An unknown key is an error. Upper-case parts of a heading
stand for names you choose. A key without a default is absent unless you set it.
`;

/** How the sections are written in TOML, in the order they are printed, with their definition. */
const SECTIONS: readonly (readonly [heading: string, definition: string])[] = [
  ["[server]", "Server"],
  ["[logging]", "Logging"],
  ["[security]", "Security"],
  ["[performance]", "Performance"],
  ["[admin]", "Admin"],
  ["[tls]", "Tls"],
  ["[[tls.certificates]]", "Certificate"],
  ["[upstreams.NAME]", "Upstream"],
  ["upstreams.NAME.servers", "UpstreamServer"],
  ["[upstreams.NAME.health_check]", "HealthCheck"],
  ["[host_routes.HOST] and [path_routes.HOST.PREFIX]", "Route"],
  ["[[host_routes.HOST.when]] and [[path_routes.HOST.PREFIX.when]]", "RouteWhen"],
  ["[host_routes.HOST.security] and [path_routes.HOST.PREFIX.security]", "RouteSecurity"],
  ["[[tests]]", "RouteTest"],
  ["[tests.expect]", "RouteTestExpectation"],
];

/** Returns the text of REFERENCE.md; throws when a definition has no section. */
export function printReference(root: SchemaNode): string {
  const missing = Object.keys(root.definitions ?? {}).filter(
    (name) => !SECTIONS.some(([, definition]) => definition === name),
  );
  if (missing.length > 0) throw new Error(`no reference section for ${missing.join(", ")}`);
  const names = Object.entries(root.properties ?? {})
    .filter(([, node]) => refName(node) === undefined)
    .map(([key, node]) => `- \`${key}\`: ${node.description}\n`);
  const sections = SECTIONS.map(([heading, definition]) =>
    printSection(root, heading, resolveNode(root, { $ref: `#/definitions/${definition}` })),
  );
  return [HEADER, `${names.join("")}`, ...sections].join("\n");
}

function printSection(root: SchemaNode, heading: string, node: SchemaNode): string {
  const items = Object.entries(node.properties ?? {}).map(([key, child]) => {
    const target = resolveNode(root, child);
    const facts = [typeText(root, target), rangeText(target), defaultText(child)];
    const known = facts.filter((it) => it !== "").join(", ");
    return `- \`${key}\` (${known}): ${target.description}\n${enumText(target)}`;
  });
  return `## \`${heading}\`\n\n${node.description}\n\n${items.join("")}`;
}

/** What each value means, one a line below its key. */
function enumText({ enum: values = [], enumDescriptions = [] }: SchemaNode): string {
  return values.map((value, at) => `  - \`"${value}"\`: ${enumDescriptions[at]}\n`).join("");
}

function typeText(root: SchemaNode, node: SchemaNode): string {
  return typesOf(node)
    .map((type) => {
      if (type === "object") return "table";
      if (type !== "array") return type;
      return `array of ${typeText(root, resolveNode(root, node.items ?? {}))}`;
    })
    .join(" or ");
}

function defaultText(node: SchemaNode): string {
  return node.default === undefined ? "" : `default \`${JSON.stringify(node.default)}\``;
}

function rangeText(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map((it) => `\`"${it}"\``).join(" ");
  if (node.minimum !== undefined) return `${node.minimum} to ${node.maximum}`;
  if (node.minLength !== undefined) return "not empty";
  if (node.minItems !== undefined) return `at least ${node.minItems}`;
  if (node.items !== undefined) return rangeText(node.items);
  return "";
}
