// Which key of the configuration a generated line comes from. The map lies beside the generated
// files and not in them: it is made of line numbers, which change with every edit.

import { type KeyPath, printKeyPath } from "./1-read/key-path.ts";
import type { CheckedConfig } from "./2-check/check.ts";
import { lowerAddress } from "./3-lower/lower-addresses.ts";
import type { OutFile } from "./4-emit/emit.ts";
import type { Origin } from "./4-emit/text.ts";
import { LineMap } from "./diagnostics/span.ts";
import type { Ir, TargetIr } from "./ir/ir.ts";

/** Lines of a generated file, both counted from 1 and included, and where their key is written. */
export interface KeyLines {
  readonly lines: readonly [first: number, last: number];
  readonly key: string;
  /** Line and column of the key in the configuration. */
  readonly at: readonly [line: number, column: number];
}

/** Tables that a configuration has one of at most; origins of lines have the same names. */
const SERVER_TABLES = ["server", "security", "performance", "logging", "tls", "admin"];

/** Lists whose entries origins of lines name by their normal form. */
const ADDRESS_LISTS = ["trusted_proxies", "allowed_ips", "denied_ips"];

/** The text of key-map.json. `text`: the configuration. */
export function printKeyMap(
  files: readonly OutFile[],
  ir: Ir,
  checked: CheckedConfig,
  text: string,
): string {
  const mapper = new KeyMapper(ir, checked);
  const places = new LineMap(text);
  const entries = files.map((file) => {
    const { path } = file;
    const lines = mapper.map(file).map(({ lines: range, path: place, key }): string => {
      const { line, column } = places.position(checked.locator.key(place).start);
      const entry: KeyLines = { lines: range, key, at: [line, column] };
      return `    ${JSON.stringify(entry)}`;
    });
    return `  ${JSON.stringify(path)}: [${lines.length === 0 ? "" : `\n${lines.join(",\n")}\n  `}]`;
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

/** A key path, and how it is written. */
interface Place {
  readonly path: KeyPath;
  readonly key: string;
}

interface Mapped extends Place {
  readonly lines: [first: number, last: number];
}

class KeyMapper {
  readonly #checked: CheckedConfig;
  /** Where the tables are written that origins of lines name: where each key is looked for. */
  readonly #tables: ReadonlyMap<string, readonly KeyPath[]>;
  /** Indexes of addresses by their normal form, by the key of their list. */
  readonly #addresses = new Map<string, ReadonlyMap<string, number>>();

  constructor(ir: Ir, checked: CheckedConfig) {
    this.#checked = checked;
    this.#tables = new Map([
      ...SERVER_TABLES.map((name): [string, KeyPath[]] => [name, [[name]]]),
      ...routeTables(ir, checked),
    ]);
  }

  map({ text, origins = [] }: OutFile): Mapped[] {
    const lines = text.split("\n");
    const places = lines.map((): Place | undefined => undefined);
    // Outer ones first, so that a line keeps the inner one that is written in the configuration.
    for (const { first, last, origin } of origins) {
      const place = this.#placeOf(origin);
      if (place !== undefined) places.fill(place, first, last + 1);
    }
    const found: Mapped[] = [];
    for (const [index, line] of lines.entries()) {
      const place = places[index];
      if (line === "" || place === undefined) continue;
      const last = found.at(-1);
      if (last?.key === place.key && last.lines[1] === index) last.lines[1] = index + 1;
      else found.push({ lines: [index + 1, index + 1], ...place });
    }
    return found;
  }

  #placeOf([table, ...key]: Origin): Place | undefined {
    for (const base of this.#tables.get(table) ?? []) {
      const path = [...base, ...key];
      if (this.#checked.locator.has(path)) return placeAt(path);
      const item = this.#itemAt(path);
      if (item !== undefined) return placeAt(item);
    }
    return undefined;
  }

  /** The place of an address that is named by its normal form. */
  #itemAt(path: KeyPath): KeyPath | undefined {
    const list = path.slice(0, -1);
    if (!ADDRESS_LISTS.includes(String(list.at(-1)))) return undefined;
    const key = printKeyPath(list);
    let indexes = this.#addresses.get(key);
    if (indexes === undefined) {
      const texts = valueAt(this.#checked.config, list) as readonly string[];
      // Of two that mean the same, the first.
      const entries = texts.map((text, at) => [lowerAddress(text).text, at] as const);
      indexes = new Map(entries.reverse());
      this.#addresses.set(key, indexes);
    }
    const index = indexes.get(String(path.at(-1)));
    return index === undefined ? undefined : [...list, index];
  }
}

function placeAt(path: KeyPath): Place {
  return { path, key: printKeyPath(path) };
}

function valueAt(config: unknown, path: KeyPath): unknown {
  return path.reduce(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step],
    config,
  );
}

/** Routes, their other targets and hosts, and the groups that they ask for. */
function routeTables({ routes, hosts, upstreams }: Ir, { locator }: CheckedConfig) {
  const written = ["host_routes", "path_routes"].flatMap((table) => {
    const names = locator.keysOf([table]).map((host): KeyPath => [table, host]);
    const paths = names.flatMap((host) => locator.keysOf(host).map((key) => [...host, key]));
    return [...names, ...paths];
  });
  const paths = new Map(written.map((path) => [printKeyPath(path), path]));
  const tables = new Map<string, readonly KeyPath[]>();
  /** The first route that asks for a group: it says how to verify. */
  const users = new Map<string, KeyPath>();
  const addUser = (target: TargetIr, place: KeyPath): void => {
    if (target.kind === "proxy" && !users.has(target.upstream.id))
      users.set(target.upstream.id, place);
  };
  for (const { key } of hosts) tables.set(key, [paths.get(key)!]);
  for (const { key, target, when } of routes) {
    const place = paths.get(key)!;
    tables.set(key, [place]);
    addUser(target, place);
    for (const [index, other] of when.entries()) {
      const otherPlace = [...place, "when", index];
      tables.set(other.key, [otherPlace]);
      addUser(other.target, otherPlace);
    }
  }
  for (const { id, name, origin } of upstreams) {
    const user = users.get(id);
    const own = origin ? user && [...user, "url"] : ["upstreams", name];
    tables.set(
      id,
      [own, user].filter((path) => path !== undefined),
    );
  }
  return tables;
}
