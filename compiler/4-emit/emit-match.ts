// generated/match.ts: from host and path to a route. Few hosts with few prefixes become compares,
// host by host; more become lines of a table. The compares are faster up to about 24 prefixes of
// one host or as many hosts (`npm run bench -- --case match-form`), and they stay far below the
// size of function that V8 stops optimising.

import { hostPatternKind } from "../ir/host-pattern.ts";
import type { HostIr, RouteIr } from "../ir/ir.ts";
import { compareCodeUnits } from "../ir/order.ts";
import { bytesConstant, comment, functionOf, importApi, inlineObject } from "./layout.ts";
import { camel, constant } from "./names.ts";
import { COLUMNS_MAX, type Code, code, from, indent, joinCode, Name } from "./text.ts";

const HOSTS_MAX = 24;
const PREFIXES_MAX = 24;

/** How requests are matched: `compares` or a `table`; `auto` takes the faster. */
export type MatchForm = "auto" | "compares" | "table";

/** Says why the form is as it is: where it changes, so does the whole file. */
export function matchPurpose(hosts: readonly HostIr[], form: MatchForm): string {
  if (!isTable(hosts, form)) return "Which route takes a request.";
  return `Which route takes a request: a table, for more than ${HOSTS_MAX} hosts, or prefixes of a host.`;
}

function isTable(hosts: readonly HostIr[], form: MatchForm): boolean {
  const small =
    hosts.length <= HOSTS_MAX && hosts.every(({ routes }) => routes.length <= PREFIXES_MAX);
  return form === "table" || (form === "auto" && !small);
}

export function emitMatch(hosts: readonly HostIr[], form: MatchForm): Code {
  if (isTable(hosts, form)) return emitTable(hosts);
  return hosts.length === 0 ? emitNothing() : emitCompares(hosts);
}

function emitNothing(): Code {
  return code`${importApi([code`type MatchRoute`, code`ROUTE_NONE`])}

export const matchRoute: MatchRoute = () => ROUTE_NONE;
`;
}

/** The order of lines has no meaning in a table, so it is the one that reads best. */
function emitTable(hosts: readonly HostIr[]): Code {
  const lines = hosts.flatMap(({ pattern, routes }) =>
    [...routes]
      .sort((a, b) => compareCodeUnits(a.prefix, b.prefix))
      .map((route) => {
        const entry = inlineObject(
          [
            [new Name("host"), pattern],
            [new Name("prefix"), route.prefix],
            [new Name("route"), routeName(route)],
          ],
          1,
        );
        return from([route.key], indent(code`${entry},`));
      }),
  );
  return code`${importApi([code`type MatchRoute`, code`RouteTable`])}
import * as route from "./routes.ts";

const table = new RouteTable([
${joinCode(lines)}
]);

export const matchRoute: MatchRoute = (bytes, hostStart, hostEnd, pathStart, pathEnd) =>
  table.match(bytes, hostStart, hostEnd, pathStart, pathEnd);
`;
}

function routeName({ symbol }: RouteIr): Code {
  return code`route.${constant("", symbol)}`;
}

function emitCompares(hosts: readonly HostIr[]): Code {
  const exact = hosts.filter(({ pattern }) => hostPatternKind(pattern) === "exact");
  const below = hosts.filter(({ pattern }) => hostPatternKind(pattern) === "below");
  const any = hosts.find(({ pattern }) => hostPatternKind(pattern) === "any");
  const hasPrefixes = hosts.some(({ routes }) => routes.some(({ prefix }) => prefix !== ""));
  const needsNone = any === undefined || hosts.some((host) => hasNone(host));
  const imports = importApi([
    (hasPrefixes || hosts.length > 1 || any === undefined) && code`ascii`,
    exact.length + below.length > 0 && code`bytesEqual`,
    code`type MatchRoute`,
    hasPrefixes && code`pathHasPrefix`,
    needsNone && code`ROUTE_NONE`,
  ]);
  const body = [
    ...exact.map(emitExactHost),
    ...below.map(emitHostBelow),
    any ? emitHit(any) : code`return ROUTE_NONE;`,
  ];
  return code`${imports}
import * as route from "./routes.ts";
${joinCode(hosts.map(emitHost), "")}
export const matchRoute: MatchRoute = (${joinCode(parametersOf(hosts), ", ")}) => {
${indent(joinCode(body))}
};
`;
}

/** Those of `MatchRoute` that are looked at; one that only holds a place begins with "_". */
function parametersOf(hosts: readonly HostIr[]): Code[] {
  const looksAtHost = hosts.some(({ pattern }) => pattern !== "*");
  const looksAtPath = hosts.some((host) => !takesEveryPath(host));
  const host = looksAtHost ? [code`hostStart`, code`hostEnd`] : [code`_hostStart`, code`_hostEnd`];
  if (looksAtPath) return [code`bytes`, ...host, code`pathStart`, code`pathEnd`];
  return looksAtHost ? [code`bytes`, ...host] : [];
}

/** Whether a path may find no route on this host. */
function hasNone({ routes }: HostIr): boolean {
  return routes.at(-1)!.prefix !== "";
}

/** A host whose only route takes every path needs no look at the path. */
function takesEveryPath({ routes }: HostIr): boolean {
  return routes.length === 1 && routes[0]!.prefix === "";
}

/** The block of a host: its name as bytes, and the function that looks at the path. */
function emitHost(host: HostIr): Code {
  const kind = hostPatternKind(host.pattern);
  // A wildcard's name begins with its dot.
  const bytes = kind === "exact" ? host.pattern : host.pattern.slice(1);
  const name = bytesConstant(constant("HOST", host.symbol), bytes);
  const parts = [
    ...(kind === "any" ? [] : [name]),
    ...(takesEveryPath(host) ? [] : emitPaths(host)),
  ];
  if (parts.length === 0) return code``;
  return code`\n${from([host.key], code`${comment(host.key)}\n${joinCode(parts)}\n`)}`;
}

function emitPaths(host: HostIr): Code[] {
  const below = host.routes.filter(({ prefix }) => prefix !== "");
  const root = host.routes.find(({ prefix }) => prefix === "");
  const constants = below.map(({ key, symbol, prefix }) =>
    from([key], bytesConstant(constant("PATH", symbol), prefix)),
  );
  const checks = below.map((route) => {
    const name = constant("PATH", route.symbol);
    const check = code`if (pathHasPrefix(bytes, pathStart, pathEnd, ${name})) {
  return ${routeName(route)};
}`;
    return from([route.key], check);
  });
  const last = root ? from([root.key], code`return ${routeName(root)};`) : code`return ROUTE_NONE;`;
  const matcher = functionOf(
    camel("match", host.symbol),
    [code`bytes: Uint8Array`, code`pathStart: number`, code`pathEnd: number`],
    code`number`,
    joinCode([...checks, last]),
  );
  return [...constants, code`\n${matcher}`];
}

/** What to do with a request of this host. */
function emitHit(host: HostIr): Code {
  const only = host.routes[0]!;
  if (takesEveryPath(host)) return from([only.key], code`return ${routeName(only)};`);
  const call = code`return ${camel("match", host.symbol)}(bytes, pathStart, pathEnd);`;
  return from([host.key], call);
}

/** The compare of bytes begins with their number, so that most hosts cost no more than that. */
function emitExactHost(host: HostIr): Code {
  const name = constant("HOST", host.symbol);
  const check = code`if (bytesEqual(bytes, hostStart, hostEnd, ${name})) {
  ${emitHit(host)}
}`;
  return from([host.key], check);
}

/** At least one byte has to stand before the dot. */
function emitHostBelow(host: HostIr): Code {
  const length = host.pattern.length - 1;
  const name = constant("HOST", host.symbol);
  const before = code`hostEnd - hostStart > ${length}`;
  const same = code`bytesEqual(bytes, hostEnd - ${length}, hostEnd, ${name})`;
  const line = code`if (${before} && ${same}) {`;
  // The line stands one step in.
  const head =
    line.text.length + 2 <= COLUMNS_MAX ? line : code`if (\n  ${before} &&\n  ${same}\n) {`;
  const check = code`${head}
  ${emitHit(host)}
}`;
  return from([host.key], check);
}
