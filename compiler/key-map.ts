// Which key of the configuration a generated line comes from. The map lies beside the generated
// files and not in them: it is made of line numbers, which change with every edit.

import { type KeyPath, printKeyPath } from "./1-read/key-path.ts";
import type { CheckedConfig } from "./2-check/check.ts";
import type { OutFile } from "./4-emit/emit.ts";
import { comment } from "./4-emit/layout.ts";
import { LineMap } from "./diagnostics/span.ts";
import type { Ir } from "./ir/ir.ts";

/** Lines of a generated file, both counted from 1 and included, and where their key is written. */
export interface KeyLines {
  readonly lines: readonly [first: number, last: number];
  readonly key: string;
  /** Line and column of the key in the configuration. */
  readonly at: readonly [line: number, column: number];
}

/** What is declared behind the blocks of all keys, and belongs to none. */
const WHOLE = /^export const (?:matchRoute|server|upstreams|routes)\b/;
const PROPERTY = /^( *)(\w+): ?(\{)?/;
const ROUTE = /\b(?:route\.|PATH_)([A-Z][A-Z0-9_]*)/;
const LIST_ITEM = /^ +\/\/ (denied: )?(.+)$/;

/** Tables whose keys the generated settings of the server hold, with their own name or without. */
const SERVER_TABLES = ["server", "security", "performance", "logging", "tls", "admin"];

/** The text of key-map.json. `text`: the configuration. */
export function printKeyMap(
  files: readonly OutFile[],
  ir: Ir,
  checked: CheckedConfig,
  text: string,
): string {
  const mapper = new KeyMapper(ir, checked);
  const places = new LineMap(text);
  const entries = files.map(({ path, text: generated }) => {
    const lines = mapper.map(generated).map(({ lines: range, path: key }): string => {
      const { line, column } = places.position(checked.locator.key(key).start);
      const entry: KeyLines = { lines: range, key: printKeyPath(key), at: [line, column] };
      return `    ${JSON.stringify(entry)}`;
    });
    return `  ${JSON.stringify(path)}: [${lines.length === 0 ? "" : `\n${lines.join(",\n")}\n  `}]`;
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

interface Mapped {
  readonly lines: [first: number, last: number];
  readonly path: KeyPath;
}

class KeyMapper {
  readonly #checked: CheckedConfig;
  /** Paths by the comment that heads their block. */
  readonly #headings: ReadonlyMap<string, KeyPath>;
  /** Paths by the name of their route. */
  readonly #routes: ReadonlyMap<string, KeyPath>;

  constructor({ routes }: Ir, checked: CheckedConfig) {
    this.#checked = checked;
    const paths = checked.locator.paths().filter((path) => path.length <= 3);
    const byKey = new Map(paths.map((path) => [printKeyPath(path), path]));
    this.#headings = new Map([...byKey].map(([key, path]) => [comment(key).text, path]));
    this.#routes = new Map(
      routes.flatMap(({ symbol, key }) => {
        const path = byKey.get(key);
        return path === undefined ? [] : [[symbol, path] as const];
      }),
    );
  }

  map(generated: string): Mapped[] {
    const found: Mapped[] = [];
    let block: KeyPath | undefined;
    let table: string | undefined;
    for (const [index, line] of generated.split("\n").entries()) {
      const heading = this.#headings.get(line);
      const isWhole = WHOLE.test(line);
      if (heading !== undefined) block = heading;
      else if (isWhole) block = undefined;
      const [, indent, name, opens] = PROPERTY.exec(line) ?? [];
      if (indent === "  " && block === undefined) table = opens ? snake(name!) : undefined;
      const path = line === "" ? undefined : this.#pathOf(line, block, table);
      const last = found.at(-1);
      if (path === undefined) continue;
      const isSame = last !== undefined && printKeyPath(last.path) === printKeyPath(path);
      if (isSame && last.lines[1] === index) last.lines[1] = index + 1;
      else found.push({ lines: [index + 1, index + 1], path });
    }
    return found;
  }

  #pathOf(line: string, block: KeyPath | undefined, table: string | undefined) {
    const route = ROUTE.exec(line)?.[1];
    if (route !== undefined) return this.#routes.get(route) ?? block;
    const name = PROPERTY.exec(line)?.[2];
    if (name !== undefined) return this.#keyNamed(snake(name), block, table) ?? block;
    const [, denied, text] = LIST_ITEM.exec(line) ?? [];
    if (text !== undefined && block !== undefined) {
      return this.#itemOf(block, denied === undefined, text) ?? block;
    }
    return block;
  }

  #keyNamed(key: string, block: KeyPath | undefined, table: string | undefined) {
    const tables =
      block !== undefined
        ? [block, [...block, "security"], [...block, "health_check"]]
        : (table === undefined ? SERVER_TABLES : [table]).map((name) => [name]);
    const { locator } = this.#checked;
    if (block === undefined && table === key && locator.has([key])) return [key];
    return tables.map((path) => [...path, key]).find((path) => locator.has(path));
  }

  #itemOf(block: KeyPath, isAllowed: boolean, text: string): KeyPath | undefined {
    const list = [...block, "security", isAllowed ? "allowed_ips" : "denied_ips"];
    const values = list.reduce<unknown>(
      (value, step) => (value as Record<string, unknown> | undefined)?.[step],
      this.#checked.config,
    );
    const at = Array.isArray(values) ? values.indexOf(text) : -1;
    return at < 0 ? undefined : [...list, at];
  }
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
