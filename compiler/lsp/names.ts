// Names that a configuration gives and uses: upstreams and routes. Where each is defined, where it
// is used, and what a new name changes.

import { type KeyPath, printKey, printKeyPath } from "../1-read/key-path.ts";
import type { Span } from "../diagnostics/span.ts";
import type { ConfigDocument } from "./config-document.ts";
import { type Cursor, textOf } from "./cursor.ts";
import type { LoosePair, LooseValue } from "./outline.ts";
import { printText } from "./toml-value.ts";

/** A place where a name is written: that of an upstream, or of a route's host or path. */
export interface NameUse {
  readonly name: string;
  /** With its quotes, if it has any. */
  readonly span: Span;
  /** A key defines the name, or says more about it; a value uses it. */
  readonly isKey: boolean;
  /** What stands there with another name. */
  readonly write: (name: string) => string;
}

/** The upstreams that have a key, in the order they are written. */
export function upstreamNames(document: ConfigDocument): readonly string[] {
  return document.outline.locator.keysOf(["upstreams"]);
}

/** The upstreams that routes and tests name, whether they exist or not. */
export function usedUpstreams(document: ConfigDocument): string[] {
  const uses = allUses(document, isUpstream);
  return uses.flatMap(({ name, isKey }) => (isKey || name === "" ? [] : [name]));
}

/** The key paths of all routes, as tests name them. */
export function routeKeys(document: ConfigDocument): string[] {
  return routePaths(document).map(printKeyPath);
}

function routePaths({ outline: { locator } }: ConfigDocument): KeyPath[] {
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

/**
 * Every place that names what the cursor stands on, and the place itself: an upstream, or a host
 * or a path of routes, which tests name in the key path of a route.
 */
export function usesOfName(document: ConfigDocument, cursor: Cursor): NameUse[] {
  const { path } = cursor;
  if (cursor.kind === "value") {
    const name = takesUpstream(path) ? textOf(document.text, cursor.span) : undefined;
    return name === undefined ? [] : usesOfPath(document, ["upstreams", name]);
  }
  return cursor.part.name !== "" && isName(path) ? usesOfPath(document, path) : [];
}

function usesOfPath(document: ConfigDocument, path: KeyPath): NameUse[] {
  const text = printKeyPath(path);
  return allUses(document, (it) => it.length === path.length && printKeyPath(it) === text);
}

/** Whether people have chosen the last step of a path, and others may name it. */
function isName(path: KeyPath): boolean {
  if (path.length === 3) return path[0] === "path_routes";
  return path.length === 2 && ["upstreams", "host_routes", "path_routes"].includes(`${path[0]}`);
}

function isUpstream(path: KeyPath): boolean {
  return path.length === 2 && path[0] === "upstreams";
}

/** In the quotes that a key path needs no escapes in, where that can be. */
function printQuoted(text: string): string {
  return /^[^'\x00-\x1f\x7f]*$/.test(text) ? `'${text}'` : printText(text);
}

function upstreamKeyAt(cursor: Cursor): string | undefined {
  if (cursor.kind === "value" || cursor.part.name === "") return undefined;
  return isUpstream(cursor.path) ? cursor.part.name : undefined;
}

/** Every place that names one of the paths that `isWanted` takes. */
function allUses(document: ConfigDocument, isWanted: (path: KeyPath) => boolean): NameUse[] {
  const uses: NameUse[] = [];
  const routes = routePaths(document);
  const addKey = (path: KeyPath, span: Span): void => {
    const name = path.at(-1);
    if (typeof name === "string" && isName(path) && isWanted(path)) {
      uses.push({ name, span, isKey: true, write: printKey });
    }
  };
  const addText = (path: KeyPath, span: Span): void => {
    const name = textOf(document.text, span);
    if (name === undefined) return;
    if (takesUpstream(path) && isWanted(["upstreams", name])) {
      uses.push({ name, span, isKey: false, write: printText });
    }
    const route = namesRoute(path) ? routes.find((it) => printKeyPath(it) === name) : undefined;
    const length = [2, 3].find((it) => route !== undefined && isWanted(route.slice(0, it)));
    if (route === undefined || length === undefined || length > route.length) return;
    const own = String(route[length - 1]);
    const write = (other: string) =>
      printQuoted(printKeyPath(route.map((step, at) => (at === length - 1 ? other : step))));
    uses.push({ name: own, span, isKey: false, write });
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
    } else addText(path, value.span);
  };
  for (const { header, path, pairs } of document.outline.sections) {
    for (const [index, { span }] of (header?.key ?? []).entries()) {
      addKey(header!.paths[index]!, span);
    }
    for (const pair of pairs) visitPair(pair, path);
  }
  return uses;
}
