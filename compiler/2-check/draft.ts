// A configuration while it is being checked: what the schema refused is already taken out, so any
// key may be absent. In arrays it leaves a hole, so that the indexes of the other items still lead
// to their place in the text; read such arrays with `forEach`, which passes over holes.

import type { Config, Route, RouteWhen } from "../../schema/config.generated.ts";

export type Draft<T> = T extends readonly (infer Item)[]
  ? readonly Draft<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: Draft<T[Key]> }
    : T;

export type DraftConfig = Draft<Config>;
export type DraftRoute = Draft<Route>;
export type DraftTarget = Draft<RouteWhen>;
