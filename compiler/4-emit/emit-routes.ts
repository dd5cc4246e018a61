// generated/routes.ts: one block for each route, its settings and, where it has rules of its own,
// the policy specialised for them.

import { compareCodeUnits } from "../ir/host-pattern.ts";
import type { MethodIr, RouteIr, RouteLimitsIr } from "../ir/ir.ts";
import { emitAddressFunction } from "./emit-addresses.ts";
import { bytesConstant, comment, importApi, property } from "./layout.ts";
import { camel, constant } from "./names.ts";
import { COLUMNS_MAX, type Code, code, indent, joinCode, Name } from "./text.ts";

/** Columns before a statement in a case of a policy's switch. */
const CASE_INDENT = 6;

/** `limits`: those of a route that sets none; a route prints only what differs from them. */
export function emitRoutes(routes: readonly RouteIr[], limits: RouteLimitsIr): Code {
  const methods = [...new Set(routes.flatMap(({ allowedMethods }) => allowedMethods))];
  const proxied = routes.some(({ target }) => target.kind === "proxy");
  const imports = [
    importApi([
      methods.length > 0 && code`ascii`,
      methods.length > 0 && code`bytesEqual`,
      routes.some(hasClientRules) && code`type ClientAddress`,
      methods.length > 0 && code`type PolicyRequest`,
      routes.length > 0 && code`type RouteLimits`,
      code`type RouteSettings`,
    ]),
    ...(proxied ? [code`import * as upstream from "./upstreams.ts";`] : []),
  ];
  const head = code`${joinCode(imports)}

export const routes: RouteSettings[] = [];
`;
  if (routes.length === 0) return head;
  const blocks = routes.map((route) => emitRoute(route, limits));
  return joinCode([head, emitShared(limits), emitMethods(methods), ...blocks], "");
}

function emitShared(limits: RouteLimitsIr): Code {
  const lines = Object.entries(limits).map(([name, value]) => code`${new Name(name)}: ${value},`);
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

function emitRoute(route: RouteIr, limits: RouteLimitsIr): Code {
  const { target } = route;
  const lines = [
    code`kind: ${target.kind},`,
    property(new Name("key"), route.key, 1),
    property(new Name("prefix"), route.prefix, 1),
    emitLimits(route.limits, limits),
    ...(target.kind === "proxy"
      ? [
          code`upstream: upstream.${constant("", target.upstream.symbol)},`,
          ...(target.basePath === "" ? [] : [property(new Name("basePath"), target.basePath, 1)]),
          ...(target.preserveHost ? [code`preserveHost: true,`] : []),
        ]
      : [
          property(new Name("path"), target.path, 1),
          code`mode: ${target.mode},`,
          property(new Name("index"), target.index, 1),
        ]),
    ...(hasClientRules(route) ? [code`allowsClient: ${allowsName(route)},`] : []),
    ...(route.allowedMethods.length > 0
      ? [
          code`policy: ${policyName(route)},`,
          property(new Name("allow"), route.allowedMethods.map(({ text }) => text).join(", "), 1),
        ]
      : []),
  ];
  return code`
${comment(route.key)}
${emitAllows(route)}${emitPolicy(route)}export const ${constant("", route.symbol)} = add({
${indent(joinCode(lines))}
});
`;
}

/** `limits,` when all are the usual ones, else those and what the route sets itself. */
function emitLimits(own: RouteLimitsIr, usual: RouteLimitsIr): Code {
  const names = Object.keys(usual) as (keyof RouteLimitsIr)[];
  const set = names.filter((name) => own[name] !== usual[name]);
  if (set.length === 0) return code`limits,`;
  const lines = set.map((name) => code`${new Name(name)}: ${own[name]},`);
  return code`limits: {\n${indent(joinCode([code`...limits,`, ...lines]))}\n},`;
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
  const rules = emitAddressFunction(allowsName(route), {
    denied: route.deniedClients,
    allowed: route.allowedClients,
    otherwise: route.allowedClients.length === 0,
  });
  return code`${rules}\n\n`;
}

function policyName({ symbol }: RouteIr): Name {
  return camel("policy", symbol);
}

/** The method check: by length first, which tells most methods apart. */
function emitPolicy(route: RouteIr): Code {
  if (route.allowedMethods.length === 0) return code``;
  const lengths = [...new Set(route.allowedMethods.map(({ text }) => text.length))];
  const cases = lengths
    .sort((a, b) => a - b)
    .map((length) =>
      emitMethodCase(
        length,
        route.allowedMethods.filter(({ text }) => text.length === length),
      ),
    );
  return code`function ${policyName(route)}(request: PolicyRequest): number {
  const { bytes, methodStart, methodEnd } = request;
  switch (methodEnd - methodStart) {
${indent(joinCode(cases), 2)}
  }
  return 405;
}

`;
}

function emitMethodCase(length: number, methods: readonly MethodIr[]): Code {
  const checks = methods.map((method) => {
    const same = code`bytesEqual(bytes, methodStart, methodEnd, ${methodName(method)})`;
    const line = code`if (${same}) return 0;`;
    return line.text.length + CASE_INDENT <= COLUMNS_MAX
      ? line
      : code`if (${same}) {\n  return 0;\n}`;
  });
  return code`case ${length}:\n${indent(joinCode([...checks, code`break;`]))}`;
}
