// A comparison as text, as JSON, and as Markdown for a comment on a pull request.

import { printable } from "../diagnostics/display-width.ts";
import { printMethods } from "../ir/method-set.ts";
import { printSet } from "./address-set.ts";
import type { Condition, Mark, SettingChange } from "./change.ts";
import type { Comparison } from "./compare.ts";
import type { Region } from "./regions.ts";
import type { ProvedChange } from "./replay.ts";

/** Of a change in many regions, so many are named. */
const REGIONS_MAX = 4;

const SIGNS: Readonly<Record<Mark, string>> = { wider: "!", neutral: "~", narrower: "-" };

export const comparisonFormats = {
  text: formatText,
  json: formatJson,
  markdown: formatMarkdown,
} as const;

export type ComparisonFormat = keyof typeof comparisonFormats;

/** Such as `2 changes of requests, 1 setting; 1 lets more through`. */
export function summary({ changes, settings }: Comparison): string {
  if (changes.length + settings.length === 0) return "no change of behaviour";
  const wider = [...changes, ...settings].filter(({ mark }) => mark === "wider").length;
  const parts = [count(changes.length, "change of requests", "changes of requests")];
  parts.push(count(settings.length, "setting", "settings"));
  const more = wider === 0 ? "nothing lets more through" : `${wider} marked ! let more through`;
  return `${parts.filter((part) => part !== "").join(", ")}; ${more}`;
}

function count(number: number, one: string, many: string): string {
  if (number === 0) return "";
  return `${number} ${number === 1 ? one : many}`;
}

/** The requests of a change, by host and path. */
function scopeOf({ regions }: ProvedChange): string[] {
  if (regions.length === 0) return ["every request"];
  const below = regions.filter((region) => region.below);
  const covered = (region: Region): boolean =>
    below.some(({ pattern, prefix }) => pattern === region.pattern && prefix === region.prefix);
  const shown = regions.filter((region) => region.below || !covered(region)).map(printRegion);
  if (shown.length <= REGIONS_MAX) return shown;
  const hidden = shown.length - REGIONS_MAX;
  return [...shown.slice(0, REGIONS_MAX), `and ${hidden} more prefixes`];
}

function printRegion({ pattern, prefix, below }: Region): string {
  return `${pattern}${prefix}${below ? "/…" : ""}`;
}

/** The conditions that requests of a change meet, one of them; none: all requests. */
function guardsOf({ condition }: ProvedChange): string[] {
  return (condition.when ?? []).map(({ text }, at) => `${at === 0 ? "when" : "  or"} ${text}`);
}

/** The route that decides, and the one that decided when it was another. */
function routesOf({ regions }: ProvedChange): string {
  const [region] = regions;
  if (region === undefined) return "server";
  const old = region.before?.key;
  const young = region.after?.key;
  if (old === undefined || young === undefined || old === young) return (young ?? old)!;
  return `${young}, was ${old}`;
}

function restartOf({ takesRestart }: SettingChange): string {
  return takesRestart ? ", takes a restart" : "";
}

function formatText(comparison: Comparison): string {
  const { changes, settings, generated } = comparison;
  const blocks = changes.map((change) =>
    [
      `${SIGNS[change.mark]} ${routesOf(change)}: ${change.text}`,
      `    ${scopeOf(change).join(", ")}`,
      ...guardsOf(change).map((text) => `    ${text}`),
      `    ${change.request}`,
      `      ${change.before}`,
      `      ${change.after}`,
      "",
    ].join("\n"),
  );
  const lines = settings.map((change) => {
    const { key, was, mark, before, after, requests } = change;
    const place = was === undefined ? key : `${key}, was ${was}`;
    const about = requests === undefined ? "" : `\n    ${requests}`;
    return `${SIGNS[mark]} ${place}: ${before} becomes ${after}${restartOf(change)}${about}`;
  });
  const parts = [
    ...blocks,
    ...(lines.length === 0 ? [] : [`${lines.join("\n")}\n`]),
    `${summary(comparison)}\n`,
  ].map((part) => part.split("\n").map(printable).join("\n"));
  return parts.join("\n") + (generated === "" ? "" : `\n${generated}`);
}

function formatJson({ before, after, changes, settings, generated }: Comparison): string {
  const document = {
    before,
    after,
    changes: changes.map((change) => ({
      kind: change.kind,
      mark: change.mark,
      text: change.text,
      routes: {
        before: change.regions[0]?.before?.key ?? null,
        after: change.regions[0]?.after?.key ?? null,
      },
      regions: change.regions.map(({ pattern, prefix, below }) => ({ pattern, prefix, below })),
      condition: jsonCondition(change.condition),
      witness: { ...change.witness, request: change.request },
      answers: { before: change.before, after: change.after },
    })),
    settings,
    generated,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function jsonCondition({ clients, methods, bodyBytes, headBytes, when }: Condition) {
  return {
    ...(clients === undefined ? {} : { clients: printSet(clients) }),
    ...(methods === undefined ? {} : { methods: printMethods(methods) }),
    ...(bodyBytes === undefined ? {} : { bodyBytes }),
    ...(headBytes === undefined ? {} : { headBytes }),
    ...(when === undefined ? {} : { when: when.map(({ text }) => text) }),
  };
}

function formatMarkdown(comparison: Comparison): string {
  const { changes, settings, generated } = comparison;
  const rows = changes.map((change) => {
    const cells = [
      change.mark === "wider" ? "**wider**" : change.mark === "narrower" ? "narrower" : "",
      [
        code(routesOf(change)),
        scopeOf(change).map(code).join(", "),
        ...guardsOf(change).map(code),
      ].join("<br>"),
      cell(change.text),
      `${code(change.request)}<br>${code(change.before)} → ${code(change.after)}`,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const table = ["| | requests | change | for example |", "|---|---|---|---|", ...rows];
  const lines = settings.map((change) => {
    const { key, was, mark, before, after, requests } = change;
    const wider = mark === "wider" ? "**wider** " : "";
    const place = was === undefined ? code(key) : `${code(key)}, was ${code(was)}`;
    const about = requests === undefined ? "" : ` (${cell(requests)})`;
    return `- ${wider}${place}: ${code(before)} → ${code(after)}${restartOf(change)}${about}`;
  });
  const fence = "`".repeat(Math.max(3, longestRun(generated) + 1));
  const diff = [
    "<details><summary>Generated code</summary>",
    "",
    `${fence}diff\n${generated}${fence}`,
    "",
    "</details>",
  ];
  const parts = [
    `**zproxy:** ${summary(comparison)}`,
    ...(rows.length === 0 ? [] : [table.join("\n")]),
    ...(lines.length === 0 ? [] : [lines.join("\n")]),
    ...(generated === "" ? [] : [diff.join("\n")]),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** A cell of a table that shows what it holds, whatever that is. */
function cell(text: string): string {
  return printable(text).replace(/[\\|<>*_`[\]]/g, (character) => `\\${character}`);
}

function code(text: string): string {
  const fence = "`".repeat(longestRun(text) + 1);
  const padding = /^`|`$/.test(text) ? " " : "";
  return `${fence}${padding}${printable(text).replaceAll("|", "\\|")}${padding}${fence}`;
}

/** The most back quotes in a row. */
function longestRun(text: string): number {
  return Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
}
