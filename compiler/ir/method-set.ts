// Sets of methods: a few by name, or all but a few.

import type { Worded } from "./condition.ts";

/** Methods by name, and perhaps all others. */
export interface MethodSet {
  readonly names: readonly string[];
  /** Every method but these is in the set as well. */
  readonly except: readonly string[] | undefined;
}

export const EVERY_METHOD: MethodSet = { names: [], except: [] };

/** What `allowed_methods` lets pass. */
export function methodsOf(route: { readonly allowedMethods: readonly Worded[] }): MethodSet {
  const { allowedMethods } = route;
  return allowedMethods.length === 0 ? EVERY_METHOD : theseMethods(allowedMethods);
}

export function theseMethods(methods: readonly Worded[]): MethodSet {
  return { names: methods.map(({ text }) => text), except: undefined };
}

export function hasMethod({ names, except }: MethodSet, method: string): boolean {
  return except === undefined ? names.includes(method) : !except.includes(method);
}

export function isEmpty({ names, except }: MethodSet): boolean {
  return except === undefined && names.length === 0;
}

/** What is in `from` and not in `minus`. */
export function subtractMethods(from: MethodSet, minus: MethodSet): MethodSet {
  if (from.except === undefined) {
    return { names: from.names.filter((name) => !hasMethod(minus, name)), except: undefined };
  }
  if (minus.except !== undefined) {
    const { except } = from;
    const names = minus.except.filter((name) => !except.includes(name));
    return { names, except: undefined };
  }
  return { names: [], except: [...new Set([...from.except, ...minus.names])] };
}

export function intersectMethods(a: MethodSet, b: MethodSet): MethodSet {
  return subtractMethods(a, subtractMethods(EVERY_METHOD, b));
}

/** Those of a few methods that are in the set. */
export function onlyMethods(set: MethodSet, names: readonly string[]): MethodSet {
  return { names: names.filter((name) => hasMethod(set, name)), except: undefined };
}

/** Tried first when any method will do. */
const USUAL = ["PUT", "DELETE", "PATCH", "POST", "GET", "HEAD", "OPTIONS"];

/** One method of a set that is not empty. */
export function pickMethod(set: MethodSet): string {
  if (set.except === undefined) return set.names[0]!;
  const usual = USUAL.find((name) => hasMethod(set, name));
  for (let count = 0; ; count++) {
    const name = usual ?? `X-OTHER${count === 0 ? "" : count}`;
    if (hasMethod(set, name)) return name;
  }
}

export function printMethods({ names, except }: MethodSet): string {
  if (except === undefined) return names.join(", ");
  return except.length === 0 ? "every method" : `every method but ${except.join(", ")}`;
}
