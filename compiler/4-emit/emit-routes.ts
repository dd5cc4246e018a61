// generated/routes.ts: one block for each route, its settings and, where it has rules of its own,
// the functions and the data specialised for them.

import { printCondition } from "../ir/condition.ts";
import { targetsOf } from "../ir/features.ts";
import type { MethodIr, RouteIr, RouteLimitsIr, TargetIr, WhenIr } from "../ir/ir.ts";
import { compareCodeUnits } from "../ir/order.ts";
import { emitAddressFunction, isAddressSet } from "./emit-addresses.ts";
import {
  chooseName,
  clientLists,
  conditionImports,
  emitChoose,
  emitMeets,
  emitWords,
  looksAtClient,
  testsIn,
} from "./emit-conditions.ts";
import { bytesConstant, comment, importApi, property, stringArray } from "./layout.ts";
import { camel, constant } from "./names.ts";
import { COLUMNS_MAX, Code, code, from, indent, joinCode, Name } from "./text.ts";

/** `limits`: those of a route that sets none; a route prints only what differs from them. */
export function emitRoutes(routes: readonly RouteIr[], limits: RouteLimitsIr): Code {
  const others = routes.flatMap(({ when }) => when);
  const conditions = others.map(({ condition }) => condition);
  const tested = conditions
    .flatMap(testsIn)
    .flatMap((test) => (test.kind === "method" ? test.methods : []));
  const methods = [...new Set(tested)];
  const words = emitWords(conditions);
  const lists = [
    ...routes.map(({ deniedClients, allowedClients }) => [...deniedClients, ...allowedClients]),
    ...clientLists(conditions),
  ];
  const proxied = routes.flatMap(targetsOf).some(({ kind }) => kind === "proxy");
  const imports = [
    importApi(
      sortedImports([
        lists.some(isAddressSet) && "AddressSet",
        methods.length + words.text.length > 0 && "ascii",
        (routes.some(hasClientRules) || looksAtClient(others)) && "type ClientAddress",
        others.length > 0 && "type ConditionRequest",
        ...conditionImports(conditions),
        routes.length > 0 && "type RouteLimits",
        "type RouteSettings",
      ]),
    ),
    ...(proxied ? [code`import * as upstream from "./upstreams.ts";`] : []),
  ];
  const head = code`${joinCode(imports)}

export const routes: RouteSettings[] = [];
`;
  if (routes.length === 0) return head;
  const blocks = routes.map((route) => emitRoute(route, limits));
  return joinCode([head, emitShared(limits), emitMethods(methods), words, ...blocks], "");
}

/** In the order of names without case, as formatters sort them. */
function sortedImports(names: readonly (string | false)[]): Code[] {
  const bare = (name: string): string => name.replace(/^type /, "").toLowerCase();
  return names
    .filter((name) => name !== false)
    .sort((a, b) => compareCodeUnits(bare(a), bare(b)))
    .map((name) => new Code(name));
}

function emitShared(limits: RouteLimitsIr): Code {
  const lines = Object.entries(limits).map(([name, value]) => {
    const isOff = name === "rateLimitRequestsPerMin" && value === 0;
    return code`${new Name(name)}: ${value},${isOff ? code` ${comment("no limit")}` : code``}`;
  });
  return code`
/** Appends a route and returns its index, so that a new route renumbers no other. */
function add(route: RouteSettings): number {
  return routes.push(route) - 1;
}

/** The limits of a route that sets none. */
const limits: RouteLimits = {
${indent(joinCode(lines))}
};
`;
}

function emitMethods(methods: readonly MethodIr[]): Code {
  if (methods.length === 0) return code``;
  const sorted = [...methods].sort((a, b) => compareCodeUnits(a.text, b.text));
  const lines = sorted.map((method) => bytesConstant(methodName(method), method.text));
  return code`\n${joinCode(lines)}\n`;
}

/** Camel case, which no route's constant has. */
function methodName({ symbol }: MethodIr): Name {
  return camel("method", symbol);
}

function methodsLines({ key, allowedMethods }: RouteIr): Code[] {
  if (allowedMethods.length === 0) return [];
  const texts = allowedMethods.map(({ text }) => text);
  const list = code`allowedMethods: ${stringArray(texts, "allowedMethods: ".length, 1)},`;
  return [from([key, "security", "allowed_methods"], list)];
}

function emitRoute(route: RouteIr, limits: RouteLimitsIr): Code {
  const { key, target, when } = route;
  const own = constant("", route.symbol);
  // Limits of its own are printed once when several targets have them.
  const shared = when.length > 0 && differing(route.limits, limits).length > 0;
  const named = camel("limits", route.symbol);
  const ownLimits = limitsObject(key, route.limits, limits);
  const limitsLine = shared
    ? from([key, "security"], code`limits: ${named},`)
    : emitLimits(key, route.limits, limits);
  const lines = [
    ...targetLines(key, route.prefix, limitsLine, target),
    ...(hasClientRules(route)
      ? [from([key, "security"], code`allowsClient: ${allowsName(route)},`)]
      : []),
    ...methodsLines(route),
    ...(when.length > 0 ? [from([key, "when"], code`choose: ${chooseName(route.symbol)},`)] : []),
    ...(looksAtClient(when) ? [from([key, "when"], code`choosesByClient: true,`)] : []),
  ];
  const limitsConstant = shared
    ? from([key, "security"], code`const ${named}: RouteLimits = ${ownLimits};\n\n`)
    : code``;
  const choose =
    when.length > 0
      ? from([key, "when"], code`${emitChoose(own, route.symbol, when)}\n\n`)
      : code``;
  const others = when.map((other) => emitWhen(route, other, limitsLine));
  const functions = code`${emitAllows(route)}${choose}`;
  const block = code`
${comment(key)}
${joinComment(route.prefix, target)}${limitsConstant}${functions}export const ${own} = add({
${indent(joinCode(lines))}
});
`;
  return joinCode([from([key], block), ...others], "");
}

/** Another target of a route: a route of its own that no path leads to. */
function emitWhen(route: RouteIr, when: WhenIr, limits: Code): Code {
  const { key, target } = when;
  const lines = [
    ...targetLines(key, route.prefix, limits, target),
    ...(target.kind === "file" ? methodsLines(route) : []),
  ];
  const block = code`
${comment(key)}
${from([key, "if"], comment(printCondition(when.condition)))}
${joinComment(route.prefix, target)}${from([key, "if"], emitMeets(when))}

const ${constant("", when.symbol)} = add({
${indent(joinCode(lines))}
});
`;
  return from([key], block);
}

/** What becomes of paths that are passed on, with a slash at the prefix's end and without. */
function joinComment(prefix: string, target: TargetIr): Code {
  if (target.kind === "file" || prefix + target.basePath === "") return code``;
  const { upstream, basePath } = target;
  const base = upstream.origin ? upstream.name + basePath : basePath;
  const own = prefix === "" ? "/" : `${prefix} and ${prefix}/`;
  const rules = [`${own} → ${base}/`, `${prefix}/x → ${base}/x`];
  const line = comment(rules.join(", "));
  return line.text.length <= COLUMNS_MAX
    ? code`${line}\n`
    : code`${joinCode(rules.map((rule) => comment(rule)))}\n`;
}

/** Where requests go, and what both kinds of target need for it. */
function targetLines(key: string, prefix: string, limits: Code, target: TargetIr): Code[] {
  const common = [
    from([key, "type"], code`kind: ${target.kind},`),
    property(new Name("key"), key, 1),
    property(new Name("prefix"), prefix, 1),
    limits,
  ];
  if (target.kind === "file") {
    return [
      ...common,
      from([key, "path"], property(new Name("path"), target.path, 1)),
      from([key, "mode"], code`mode: ${target.mode},`),
      from([key, "index"], property(new Name("index"), target.index, 1)),
    ];
  }
  const { upstream, basePath } = target;
  const named = upstream.origin ? "url" : "upstream";
  return [
    ...common,
    from([key, named], code`upstream: upstream.${constant("", upstream.symbol)},`),
    ...(basePath === "" ? [] : [from([key, "url"], property(new Name("basePath"), basePath, 1))]),
    ...(target.preserveHost ? [from([key, "preserve_host"], code`preserveHost: true,`)] : []),
  ];
}

/** `limits,` when all are the usual ones, else those and what the route sets itself. */
function emitLimits(key: string, own: RouteLimitsIr, usual: RouteLimitsIr): Code {
  if (differing(own, usual).length === 0) return code`limits,`;
  return from([key, "security"], code`limits: ${limitsObject(key, own, usual)},`);
}

function limitsObject(key: string, own: RouteLimitsIr, usual: RouteLimitsIr): Code {
  const lines = differing(own, usual).map((name) => {
    const setting = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return from([key, "security", setting], code`${new Name(name)}: ${own[name]},`);
  });
  return code`{\n${indent(joinCode([code`...limits,`, ...lines]))}\n}`;
}

function differing(own: RouteLimitsIr, usual: RouteLimitsIr): (keyof RouteLimitsIr)[] {
  const names = Object.keys(usual) as (keyof RouteLimitsIr)[];
  return names.filter((name) => own[name] !== usual[name]);
}

function hasClientRules({ deniedClients, allowedClients }: RouteIr): boolean {
  return deniedClients.length + allowedClients.length > 0;
}

function allowsName({ symbol }: RouteIr): Name {
  return camel("allows", symbol);
}

/** The check of the client's address. */
function emitAllows(route: RouteIr): Code {
  if (!hasClientRules(route)) return code``;
  const { key, symbol, deniedClients, allowedClients } = route;
  const rules = {
    denied: deniedClients,
    allowed: allowedClients,
    otherwise: allowedClients.length === 0,
    deniedList: [key, "security", "denied_ips"],
    allowedList: [key, "security", "allowed_ips"],
  } as const;
  const allows = emitAddressFunction(allowsName(route), rules, camel("clients", symbol));
  return from([key, "security"], code`${allows}\n\n`);
}
