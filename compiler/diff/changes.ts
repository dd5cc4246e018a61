// Which requests two configurations treat differently, worked out region by region. In a region the
// answer depends on what the checks look at, in their order: size of the head, client, method, size
// of the body. For each of them the requests whose verdict changes are a class; where all verdicts
// stay, only the target is left to differ.

import { TooManyCases } from "../2-check/condition/solve.ts";
import {
  EVERY_ADDRESS,
  includes,
  intersect,
  parseRange,
  subtract,
} from "../2-check/values/address-range.ts";
import type { Ir, RouteIr, TargetIr } from "../ir/ir.ts";
import {
  EVERY_METHOD,
  hasMethod,
  intersectMethods,
  isEmpty,
  type MethodSet,
  methodsOf,
  onlyMethods,
  pickMethod,
  printMethods,
  subtractMethods,
  theseMethods,
} from "../ir/method-set.ts";
import { ANY_CLIENT, ANY_CLIENT_RANGE, anyOf, clientsOf, printSet } from "./address-set.ts";
import { type Cell, cellsOf, EVERYTHING, requestOf } from "./cells.ts";
import type { Change, Guard, Mark, SizeRange, Witness } from "./change.ts";
import type { Region } from "./regions.ts";
import { describeTarget, describeTargets, encryptionMark, hasTls, targetOf } from "./target.ts";

const FILE_METHODS = ["GET", "HEAD"];
/** Tried for a witness, in this order; then those that rules name. */
const METHODS = [...FILE_METHODS, "POST", "PUT"];

type Part = Omit<Change, "regions" | "witness"> & { readonly witness: Partial<Witness> };

/**
 * Every class of requests that changes; those of the same two routes and wording are one. And the
 * routes of which it is not known, as their conditions have too many cases.
 */
export function changesBetween(
  before: Ir,
  after: Ir,
  regions: readonly Region[],
): { changes: Change[]; unknown: string[] } {
  const unknown = new Set<string>();
  const merged = new Map<string, Change>();
  for (const region of regions) {
    for (const part of partsOf(region, unknown)) {
      const when = part.condition.when?.map(({ text }) => text);
      const keys = [region.before?.key, region.after?.key];
      const key = JSON.stringify([...keys, part.kind, part.text, when]);
      const known = merged.get(key);
      if (known !== undefined) {
        merged.set(key, { ...known, regions: [...known.regions, region] });
        continue;
      }
      const witness = { ...plainWitness(region), ...part.witness };
      merged.set(key, { ...part, witness, regions: [region] });
    }
  }
  const changes = [...merged.values(), ...headLimitChange(before, after)];
  return { changes, unknown: [...unknown] };
}

/** Before the route is known, the largest limit of any route holds: for every request. */
function headLimitChange(before: Ir, after: Ir): Change[] {
  const old = largestHead(before);
  const young = largestHead(after);
  if (old === young) return [];
  const headBytes = rangeBetween(old, young);
  const target = { host: "any.invalid", path: "*", query: "", headers: [] };
  const witness = { ...target, method: "OPTIONS", client: ANY_CLIENT };
  return [
    {
      kind: "head size",
      mark: young > old ? "wider" : "narrower",
      text: `heads up to ${young} bytes are read at all, was ${old}`,
      regions: [],
      condition: { headBytes },
      witness: { ...witness, bodyBytes: 0, headBytes: headBytes.to },
    },
  ];
}

function largestHead({ routes, limits }: Ir): number {
  const sizes = routes.map((route) => route.limits.maxRequestHeaderSize);
  return sizes.length === 0 ? limits.maxRequestHeaderSize : Math.max(...sizes);
}

function partsOf(region: Region, unknown: Set<string>): Part[] {
  const { before, after } = region;
  if (before === undefined && after === undefined) return [];
  if (before === undefined) {
    const text = `new: ${describeTargets(after!, region)}`;
    return [{ kind: "route", mark: "wider", text, condition: {}, witness: {} }];
  }
  if (after === undefined) {
    const text = `removed, was ${describeTargets(before, region)}`;
    return [{ kind: "route", mark: "narrower", text, condition: {}, witness: {} }];
  }
  return [
    ...cellParts(region, before, after, unknown),
    ...clientParts(before, after),
    ...bodyParts(before, after),
    ...headParts(before, after),
  ];
}

/** Parts that depend on which of a route's targets takes the request. */
function cellParts(region: Region, before: RouteIr, after: RouteIr, unknown: Set<string>): Part[] {
  try {
    return comparedCells(region, cellsOf(before, after));
  } catch (error) {
    if (!(error instanceof TooManyCases)) throw error;
    unknown.add(after.key);
    return [];
  }
}

function comparedCells(region: Region, cells: readonly Cell[]): Part[] {
  const merged = new Map<string, { part: Part; guards: Guard[] }>();
  for (const cell of cells) {
    const parts = [
      ...targetParts(region, cell.before, cell.after),
      ...methodParts(cell.before, cell.after),
    ];
    for (const part of parts) {
      const witness = guardedWitness(cell, part);
      if (witness === undefined) continue;
      const known = merged.get(part.kind + part.text);
      if (known !== undefined) known.guards.push(cell.guard);
      else {
        merged.set(part.kind + part.text, { part: { ...part, witness }, guards: [cell.guard] });
      }
    }
  }
  return [...merged.values()].map(({ part, guards }) => {
    const isAll = guards.length === cells.length;
    return isAll ? part : { ...part, condition: { ...part.condition, when: guards } };
  });
}

function targetParts(region: Region, before: RouteIr, after: RouteIr): Part[] {
  if (targetOf(before, region) === targetOf(after, region)) return [];
  const text = `${describeTarget(before, region)} becomes ${describeTarget(after, region)}`;
  const mark = targetMark(before.target, after.target);
  const lost = hasTls(after.target) ? ", less of it encrypted" : ", no longer encrypted";
  const whole = mark === "wider" ? text + lost : text;
  return [{ kind: "target", mark, text: whole, condition: {}, witness: {} }];
}

function targetMark(before: TargetIr, after: TargetIr): Mark {
  if (before.kind === "file" || after.kind === "file") return "neutral";
  return encryptionMark(before.upstream.servers, after.upstream.servers);
}

function clientParts(before: RouteIr, after: RouteIr): Part[] {
  const old = clientsOf(before);
  const young = clientsOf(after);
  const part = (set: typeof old, mark: Mark, verb: string): Part[] => {
    const client = anyOf(set);
    if (client === undefined) return [];
    const text = `clients ${printSet(set)} are ${verb}`;
    return [{ kind: "clients", mark, text, condition: { clients: set }, witness: { client } }];
  };
  return [
    ...part(subtract(young, old), "wider", "let in"),
    ...part(subtract(old, young), "narrower", "refused"),
  ];
}

function methodParts(before: RouteIr, after: RouteIr): Part[] {
  const old = answeredMethods(before);
  const young = answeredMethods(after);
  const part = (mark: Mark, verb: string, set: MethodSet): Part[] => {
    if (isEmpty(set)) return [];
    const text = `${printMethods(set)} ${verb}`;
    const witness = { method: pickMethod(set) };
    return [{ kind: "methods", mark, text, condition: { methods: set }, witness }];
  };
  return [
    ...part("wider", "allowed", subtractMethods(young, old)),
    ...part("narrower", "refused", subtractMethods(old, young)),
  ];
}

/** What the rule lets pass and the target answers. */
function answeredMethods(route: RouteIr): MethodSet {
  const allowed = methodsOf(route);
  return route.target.kind === "proxy" ? allowed : onlyMethods(allowed, FILE_METHODS);
}

function bodyParts(before: RouteIr, after: RouteIr): Part[] {
  const old = before.limits.maxRequestBodySize;
  const young = after.limits.maxRequestBodySize;
  if (old === young) return [];
  const bodyBytes = rangeBetween(old, young);
  const mark = young > old ? "wider" : "narrower";
  const text = `bodies up to ${young} bytes, was ${old}`;
  // Another target than the route's own may answer what that one does not.
  const sets = [methodsOf(before), methodsOf(after)];
  const method = firstMethod([before, after].map(answeredMethods)) ?? firstMethod(sets);
  const witness = { bodyBytes: bodyBytes.from + 1, ...(method === undefined ? {} : { method }) };
  return [{ kind: "body size", mark, text, condition: { bodyBytes }, witness }];
}

function headParts(before: RouteIr, after: RouteIr): Part[] {
  const old = before.limits.maxRequestHeaderSize;
  const young = after.limits.maxRequestHeaderSize;
  if (old === young) return [];
  const headBytes = rangeBetween(old, young);
  const mark = young > old ? "wider" : "narrower";
  const text = `heads up to ${young} bytes, was ${old}`;
  const witness = { headBytes: headBytes.to };
  return [{ kind: "head size", mark, text, condition: { headBytes }, witness }];
}

function rangeBetween(a: number, b: number): SizeRange {
  return { from: Math.min(a, b), to: Math.max(a, b) };
}

/** A request that passes as many checks as it can on both sides, so that the changed one shows. */
function plainWitness({ host, path, before, after }: Region): Witness {
  const routes = [before, after].filter((route) => route !== undefined);
  const clients = routes.map(clientsOf).reduce(intersect);
  const lenient = routes.map(clientsOf).find((set) => set.length > 0);
  const usual = includes(clients, ANY_CLIENT_RANGE) ? ANY_CLIENT : undefined;
  const client = usual ?? anyOf(clients) ?? anyOf(lenient ?? []) ?? ANY_CLIENT;
  const method = firstMethod(routes.map(answeredMethods)) ?? "GET";
  return { host, path, query: "", headers: [], client, method, bodyBytes: 0, headBytes: 0 };
}

/** What a witness needs so that its request is one of the cell; undefined: no request is. */
function guardedWitness(
  { before, after, guard }: Cell,
  { condition, witness }: Part,
): Partial<Witness> | undefined {
  if (guard.conditions.length === 0) return witness;
  const routes = [before, after];
  const methods = condition.methods ?? EVERY_METHOD;
  const answered = routes.map(answeredMethods).reduce(intersectMethods, methods);
  const clients = routes.map(clientsOf).reduce(intersect);
  const narrow = [intersect([ANY_CLIENT_RANGE], clients), clients, ...routes.map(clientsOf)];
  for (const some of [answered, methods]) {
    for (const set of [...narrow, EVERY_ADDRESS]) {
      const found = requestOf(guard, { clients: set, methods: some });
      if (found !== undefined) return { ...witness, ...found };
    }
  }
  return undefined;
}

/** A method that is in every one of the sets. */
function firstMethod(sets: readonly MethodSet[]): string | undefined {
  return [...METHODS, ...sets.flatMap(({ names }) => names)].find((name) =>
    sets.every((set) => hasMethod(set, name)),
  );
}

/** Of a change in many regions, witnesses are looked for in so many. */
const REGIONS_TRIED_MAX = 8;

/**
 * Further witnesses of a change, for when the first one meets the same refusal on both sides: all
 * that its condition leaves open, at each value where a check of the two routes may turn.
 */
export function* otherWitnesses({ regions, condition, witness }: Change): Generator<Witness> {
  for (const { host, path, before, after } of regions.slice(0, REGIONS_TRIED_MAX)) {
    const routes = [before, after].filter((route) => route !== undefined);
    const sets = routes.map(clientsOf);
    const others = condition.clients === undefined ? [sets.reduce(intersect), ...sets] : [];
    const clients = [[parseRange(witness.client)!], ...others];
    const named = routes.flatMap((route) => route.allowedMethods.map(({ text }) => text));
    const all = [...METHODS, ...named, pickMethod({ names: [], except: named })];
    const methods = all.filter((it) => hasMethod(condition.methods ?? EVERY_METHOD, it));
    const bodies =
      condition.bodyBytes === undefined
        ? [0, ...routes.map(({ limits }) => limits.maxRequestBodySize + 1)]
        : [witness.bodyBytes];
    for (const set of clients) {
      for (const method of methods) {
        for (const guard of condition.when ?? [EVERYTHING]) {
          const only = { clients: set, methods: theseMethods([{ text: method }]) };
          const found = requestOf(guard, only);
          if (found === undefined) continue;
          for (const bodyBytes of bodies) yield { ...witness, host, path, bodyBytes, ...found };
        }
      }
    }
  }
}
