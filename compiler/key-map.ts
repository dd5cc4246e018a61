// Which key of the configuration a generated line comes from. The map lies beside the generated
// files and not in them: it is made of line numbers, which change with every edit.

import { type KeyPath, printKeyPath } from "./1-read/key-path.ts";
import type { CheckedConfig } from "./2-check/check.ts";
import type { OutFile } from "./4-emit/emit.ts";
import { comment } from "./4-emit/layout.ts";
import { camel, constant } from "./4-emit/names.ts";
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
const HOST = /\b(?:HOST_[A-Z0-9_]+|match[A-Z0-9]\w*)/;
/** A block of addresses: the comment above its compare, or its line in a set. */
const LIST_ITEM = /^ +(?:\/\/ |")(denied: |not )?(.+?)(?:",)?$/;

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
    const lines = mapper.map(generated).map(({ lines: range, path: place, key }): string => {
      const { line, column } = places.position(checked.locator.key(place).start);
      const entry: KeyLines = { lines: range, key, at: [line, column] };
      return `    ${JSON.stringify(entry)}`;
    });
    return `  ${JSON.stringify(path)}: [${lines.length === 0 ? "" : `\n${lines.join(",\n")}\n  `}]`;
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

/** A key path, and how it is written: printed once, since thousands of lines have it. */
interface Place {
  readonly path: KeyPath;
  readonly key: string;
}

interface Mapped extends Place {
  readonly lines: [first: number, last: number];
}

class KeyMapper {
  readonly #checked: CheckedConfig;
  /** Places by the comment that heads their block. */
  readonly #headings: ReadonlyMap<string, Place>;
  /** Places by the name of their route. */
  readonly #routes: ReadonlyMap<string, Place>;

  /** Places by what the matcher calls their host, as a constant or as a function. */
  readonly #hosts: ReadonlyMap<string, Place>;

  constructor({ routes, hosts }: Ir, checked: CheckedConfig) {
    this.#checked = checked;
    const paths = checked.locator.paths().filter((path) => path.length <= 3);
    const byKey = new Map(
      paths.map((path) => {
        const key = printKeyPath(path);
        return [key, { path, key }];
      }),
    );
    this.#headings = new Map([...byKey].map(([key, place]) => [comment(key).text, place]));
    this.#routes = new Map(
      routes.flatMap(({ symbol, key }) => {
        const place = byKey.get(key);
        return place === undefined ? [] : [[symbol, place] as const];
      }),
    );
    this.#hosts = new Map(
      hosts.flatMap(({ symbol, key }) => {
        const place = byKey.get(key);
        const names = [constant("HOST", symbol), camel("match", symbol)];
        return place === undefined ? [] : names.map(({ text }) => [text, place] as const);
      }),
    );
  }

  map(generated: string): Mapped[] {
    const found: Mapped[] = [];
    let block: Place | undefined;
    let table: string | undefined;
    for (const [index, line] of generated.split("\n").entries()) {
      const heading = line.startsWith("//") ? this.#headings.get(line) : undefined;
      if (heading !== undefined) block = heading;
      else if (WHOLE.test(line)) block = undefined;
      const [, indent, name, opens] = PROPERTY.exec(line) ?? [];
      if (indent === "  " && block === undefined) table = opens ? snake(name!) : undefined;
      const place = line === "" ? undefined : this.#placeOf(line, name, block, table);
      const last = found.at(-1);
      if (place === undefined) continue;
      const goesOn = last?.key === place.key && last.lines[1] === index;
      if (goesOn) last.lines[1] = index + 1;
      else found.push({ lines: [index + 1, index + 1], ...place });
    }
    return found;
  }

  /** `name`: of the property that the line begins with. */
  #placeOf(
    line: string,
    name: string | undefined,
    block: Place | undefined,
    table: string | undefined,
  ): Place | undefined {
    const route = ROUTE.exec(line)?.[1];
    if (route !== undefined) return this.#routes.get(route) ?? block;
    const host = HOST.exec(line)?.[0];
    if (host !== undefined) return this.#hosts.get(host) ?? block;
    if (name !== undefined) return this.#keyNamed(snake(name), block?.path, table) ?? block;
    const [, denied, text] = LIST_ITEM.exec(line) ?? [];
    if (text !== undefined && block !== undefined) {
      return this.#itemOf(block.path, denied === undefined, text) ?? block;
    }
    return block;
  }

  #keyNamed(key: string, block: KeyPath | undefined, table: string | undefined) {
    const tables =
      block !== undefined
        ? [block, [...block, "security"], [...block, "health_check"]]
        : (table === undefined ? SERVER_TABLES : [table]).map((name) => [name]);
    const { locator } = this.#checked;
    const own = block === undefined && table === key && locator.has([key]) ? [key] : undefined;
    return placeAt(own ?? tables.map((path) => [...path, key]).find((path) => locator.has(path)));
  }

  #itemOf(block: KeyPath, isAllowed: boolean, text: string): Place | undefined {
    const own = [...block, "security", isAllowed ? "allowed_ips" : "denied_ips"];
    for (const list of [own, block]) {
      const values = list.reduce<unknown>(
        (value, step) => (value as Record<string, unknown> | undefined)?.[step],
        this.#checked.config,
      );
      const at = Array.isArray(values) ? values.indexOf(text) : -1;
      if (at >= 0) return placeAt([...list, at]);
    }
    return undefined;
  }
}

function placeAt(path: KeyPath | undefined): Place | undefined {
  return path === undefined ? undefined : { path, key: printKeyPath(path) };
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
