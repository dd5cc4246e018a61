// Names that a configuration gives and uses: upstreams and routes. Where each is defined, where it
// is used, and what a new name changes.

import { type KeyPath, printKey, printKeyPath } from "../1-read/key-path.ts";
import type { Span } from "../diagnostics/span.ts";
import type { ConfigDocument } from "./config-document.ts";
import { type Cursor, textOf } from "./cursor.ts";
import type { LoosePair, LooseValue } from "./outline.ts";
import { printText } from "./toml-value.ts";

/** A place where the name of an upstream is written. */
export interface NameUse {
  readonly name: string;
  /** With its quotes, if it has any. */
  readonly span: Span;
  /** A key defines the upstream, or says more about it; a value uses it. */
  readonly isKey: boolean;
}

/** The upstreams that have a key, in the order they are written. */
export function upstreamNames(document: ConfigDocument): readonly string[] {
  return document.outline.locator.keysOf(["upstreams"]);
}

/** The upstreams that routes and tests name, whether they exist or not. */
export function usedUpstreams(document: ConfigDocument): string[] {
  return allUses(document).flatMap(({ name, isKey }) => (isKey || name === "" ? [] : [name]));
}

/** The key paths of all routes, as tests name them. */
export function routeKeys(document: ConfigDocument): string[] {
  return routePaths(document).map(printKeyPath);
}

export function routePaths({ outline: { locator } }: ConfigDocument): KeyPath[] {
  const hosts = locator.keysOf(["host_routes"]).map((host): KeyPath => ["host_routes", host]);
  const paths = locator
    .keysOf(["path_routes"])
    .flatMap((host) =>
      locator.keysOf(["path_routes", host]).map((path): KeyPath => ["path_routes", host, path]),
    );
  return [...hosts, ...paths];
}

/** True where the value is the name of an upstream. */
export function takesUpstream(path: KeyPath): boolean {
  if (path.at(-1) !== "upstream") return false;
  return path[0] === "host_routes" || path[0] === "path_routes" || path[0] === "tests";
}

/** The upstream that a value names, if it exists. */
export function upstreamUsedAt(
  document: ConfigDocument,
  path: KeyPath,
  span: Span,
): string | undefined {
  if (!takesUpstream(path)) return undefined;
  const name = textOf(document.text, span);
  return name !== undefined && upstreamNames(document).includes(name) ? name : undefined;
}

/** Where a name is defined that stands under the cursor. */
export function definitionOf(document: ConfigDocument, cursor: Cursor): Span | undefined {
  const { locator } = document.outline;
  if (cursor.kind !== "value") {
    const name = upstreamKeyAt(cursor);
    return name === undefined ? undefined : locator.key(["upstreams", name]);
  }
  const upstream = upstreamUsedAt(document, cursor.path, cursor.span);
  if (upstream !== undefined) return locator.key(["upstreams", upstream]);
  if (!namesRoute(cursor.path)) return undefined;
  const text = textOf(document.text, cursor.span);
  const route = routePaths(document).find((path) => printKeyPath(path) === text);
  return route === undefined ? undefined : locator.key(route);
}

/** True where the value is the key path of a route. */
export function namesRoute(path: KeyPath): boolean {
  return path[0] === "tests" && path.at(-2) === "expect" && path.at(-1) === "route";
}

/** Every place where the upstream under the cursor is named, and the place itself. */
export function usesOfUpstream(document: ConfigDocument, cursor: Cursor): NameUse[] {
  const name =
    cursor.kind === "value"
      ? takesUpstream(cursor.path)
        ? textOf(document.text, cursor.span)
        : undefined
      : upstreamKeyAt(cursor);
  return name === undefined ? [] : allUses(document).filter((use) => use.name === name);
}

/** How a new name is written in a place. */
export function printName({ isKey }: NameUse, name: string): string {
  return isKey ? printKey(name) : printText(name);
}

function upstreamKeyAt(cursor: Cursor): string | undefined {
  if (cursor.kind === "value" || cursor.part.name === "") return undefined;
  const { path } = cursor;
  return path.length === 2 && path[0] === "upstreams" ? cursor.part.name : undefined;
}

function allUses(document: ConfigDocument): NameUse[] {
  const uses: NameUse[] = [];
  const addKey = (path: KeyPath, span: Span): void => {
    const name = path[1];
    if (path.length === 2 && path[0] === "upstreams" && typeof name === "string") {
      uses.push({ name, span, isKey: true });
    }
  };
  const visitPair = ({ key, value }: LoosePair, table: KeyPath): void => {
    let path = table;
    for (const { name, span } of key) {
      path = [...path, name];
      addKey(path, span);
    }
    visitValue(value, path);
  };
  const visitValue = (value: LooseValue, path: KeyPath): void => {
    if (value.kind === "table") for (const pair of value.pairs) visitPair(pair, path);
    else if (value.kind === "array") {
      for (const [index, item] of value.items.entries()) visitValue(item, [...path, index]);
    } else if (takesUpstream(path)) {
      const name = textOf(document.text, value.span);
      if (name !== undefined) uses.push({ name, span: value.span, isKey: false });
    }
  };
  for (const { header, path, pairs } of document.outline.sections) {
    for (const [index, { span }] of (header?.key ?? []).entries()) {
      addKey(header!.paths[index]!, span);
    }
    for (const pair of pairs) visitPair(pair, path);
  }
  return uses;
}
