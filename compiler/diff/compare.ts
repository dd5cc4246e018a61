// Two configurations side by side: the requests they treat differently, each class proved by one of
// them, the settings that differ, and how the generated text does.

import type { Config } from "../../schema/config.generated.ts";
import type { OutFile } from "../4-emit/emit.ts";
import type { Change, SettingChange } from "./change.ts";
import { changesBetween } from "./changes.ts";
import { regionsOf } from "./regions.ts";
import { type ProvedChange, prove, type Side } from "./replay.ts";
import { routeSettings } from "./route-settings.ts";
import { settingChanges } from "./settings.ts";
import { unifiedDiff } from "./text-diff.ts";

export interface ComparedSide extends Side {
  /** How the user calls it: a file, or `REV:path`. */
  readonly name: string;
  readonly config: Config;
  readonly files: readonly OutFile[];
}

export interface Comparison {
  readonly before: string;
  readonly after: string;
  readonly changes: readonly ProvedChange[];
  readonly settings: readonly SettingChange[];
  /** The generated files as a unified diff. */
  readonly generated: string;
}

export function compare(before: ComparedSide, after: ComparedSide): Comparison {
  // What no request shows is hidden by another rule, and so is no change of behaviour.
  const regions = regionsOf(before.ir, after.ir);
  const found = changesBetween(before.ir, after.ir, regions);
  const changes = found.changes
    .map((change) => prove(change, before, after))
    .filter((change) => change !== undefined);
  return {
    before: before.name,
    after: after.name,
    changes: changes.sort(compareMarks),
    settings: [
      ...found.unknown.map(notCompared),
      ...settingChanges(before.config, after.config),
      ...routeSettings(regions),
    ].sort(compareMarks),
    generated: diffFiles(before.files, after.files),
  };
}

/** Nothing is said about its requests, so a reader has to look. */
function notCompared(key: string): SettingChange {
  const after = "too many cases to be compared";
  return { key: `${key}.when`, mark: "wider", before: "conditions", after };
}

const ORDER = ["wider", "neutral", "narrower"];

/** What lets more through comes first; the rest keeps its order. */
function compareMarks(a: Pick<Change, "mark">, b: Pick<Change, "mark">): number {
  return ORDER.indexOf(a.mark) - ORDER.indexOf(b.mark);
}

function diffFiles(before: readonly OutFile[], after: readonly OutFile[]): string {
  const olds = new Map(before.map(({ path, text }) => [path, text]));
  const youngs = new Map(after.map(({ path, text }) => [path, text]));
  const paths = [...new Set([...olds.keys(), ...youngs.keys()])].sort();
  return paths
    .map((path) => unifiedDiff(path, olds.get(path) ?? "", youngs.get(path) ?? ""))
    .join("");
}
