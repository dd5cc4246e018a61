// How generated code breaks its lines: the conventions of the repository's formatter, so that
// formatting a generated file changes nothing.

import {
  COLUMNS_MAX,
  Code,
  code,
  escapeUnprintable,
  from,
  indent,
  joinCode,
  type Name,
  type Origin,
  type Printable,
} from "./text.ts";

/** A comment line. What could end it, or hide text from a reader, is escaped. */
export function comment(text: string): Code {
  return new Code(`// ${escapeUnprintable(text)}`);
}

/** The formatter keeps a value beside a name this short, however long the value is. */
const SHORT_NAME_LENGTH_MAX = 4;

/** `name: value,`, the value below the name when both do not fit. `depth`: steps of indentation. */
export function property(name: Name, value: Printable, depth: number): Code {
  const line = code`${name}: ${value},`;
  const first = line.text.split("\n", 1)[0]!;
  const fits = depth * 2 + first.length <= COLUMNS_MAX || typeof value !== "string";
  return fits || name.text.length <= SHORT_NAME_LENGTH_MAX ? line : code`${name}:\n  ${value},`;
}

/** `{ a: 1, b: 2 }`, or one property a line when that passes the line's end. */
export function inlineObject(
  properties: readonly (readonly [Name, Printable])[],
  depth: number,
): Code {
  const parts = properties.map(([name, value]) => code`${name}: ${value}`);
  const line = code`{ ${joinCode(parts, ", ")} }`;
  // One more column for the comma behind it.
  if (depth * 2 + line.text.length + 1 <= COLUMNS_MAX) return line;
  const lines = properties.map(([name, value]) => indent(property(name, value, depth + 1)));
  return code`{\n${joinCode(lines)}\n}`;
}

/**
 * An array of objects, one a line; a single one stays on the line of what stands before it, which
 * is `headLength` long, if it fits. `originOf`: what an object that has lines of its own is made
 * from.
 */
export function objectArray(
  objects: readonly (readonly (readonly [Name, Printable])[])[],
  headLength: number,
  depth: number,
  originOf: (index: number) => Origin,
): Code {
  if (objects.length === 1) {
    const only = inlineObject(objects[0]!, 0);
    const fits = depth * 2 + headLength + only.text.length + 3 <= COLUMNS_MAX;
    if (fits && !only.text.includes("\n")) return code`[${only}]`;
  }
  const items = objects.map((object, index) =>
    from(originOf(index), indent(code`${inlineObject(object, depth + 1)},`)),
  );
  return code`[\n${joinCode(items)}\n]`;
}

/**
 * `[1, 2, 3]`, or as many numbers a line as fit. What stands before it is `headLength` long;
 * `depth`: steps of indentation.
 */
export function numberArray(numbers: readonly number[], headLength: number, depth: number): Code {
  const items = numbers.map((number) => code`${number},`.text);
  const line = `[${items.join(" ").replace(/,$/, "")}]`;
  if (depth * 2 + headLength + line.length + 1 <= COLUMNS_MAX) return new Code(line);
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    const fits =
      last !== undefined && (depth + 1) * 2 + last.length + 1 + item.length <= COLUMNS_MAX;
    if (fits) lines[lines.length - 1] = `${last} ${item}`;
    else lines.push(item);
  }
  return code`[\n${indent(new Code(lines.join("\n")))}\n]`;
}

/** `["a", "b"]`, or one a line when that passes the line's end. */
export function stringArray(texts: readonly string[], headLength: number, depth: number): Code {
  const items = texts.map((text) => code`${text}`);
  const line = code`[${joinCode(items, ", ")}]`;
  if (depth * 2 + headLength + line.text.length + 1 <= COLUMNS_MAX) return line;
  return code`[\n${indent(joinCode(items.map((item) => code`${item},`)))}\n]`;
}

/** A constant that holds a text as bytes. */
export function bytesConstant(name: Name, text: string): Code {
  const line = code`const ${name} = ascii(${text});`;
  return line.text.length <= COLUMNS_MAX ? line : code`const ${name} = ascii(\n  ${text},\n);`;
}

/** A function of plain parameters, one a line when they do not fit on one. */
export function functionOf(
  name: Name,
  parameters: readonly Code[],
  result: Code,
  body: Code,
): Code {
  const line = code`function ${name}(${joinCode(parameters, ", ")}): ${result} {`;
  const lines = joinCode(parameters.map((parameter) => code`  ${parameter},`));
  const head =
    line.text.length <= COLUMNS_MAX ? line : code`function ${name}(\n${lines}\n): ${result} {`;
  return code`${head}\n${indent(body)}\n}`;
}

const API = "zproxy/runtime/data/api.ts";

/** An import from the runtime; `names` in order, types as `type Name`. */
export function importApi(names: readonly (Code | false)[]): Code {
  const present = names.filter((name) => name !== false);
  const types = present.every(({ text }) => text.startsWith("type "));
  const verb = types ? code`import type` : code`import`;
  const listed = types ? present.map(({ text }) => new Code(text.slice("type ".length))) : present;
  const line = code`${verb} { ${joinCode(listed, ", ")} } from ${API};`;
  if (line.text.length <= COLUMNS_MAX) return line;
  return code`${verb} {\n${joinCode(listed.map((name) => code`  ${name},`))}\n} from ${API};`;
}
