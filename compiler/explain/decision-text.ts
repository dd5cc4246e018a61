// A decision for people: one line for each thing that was looked at, "+" where it went on.

import { printable } from "../diagnostics/display-width.ts";
import type { Candidate } from "./candidates.ts";
import type { Decision, Served } from "./decision.ts";

/** Of candidates that lost, so many are listed; --json has them all. */
const LOSERS_MAX = 20;

export function printDecision(decision: Decision): string {
  const { request, client, host, path, hosts, paths, route, checks, targets } = decision;
  const lines = [
    `${request} from ${client}`,
    "",
    ...(host === "" && path === "" ? [] : [`host   ${host || "none"}`, ...candidates(hosts)]),
    ...(path === "" ? [] : [`path   ${path}`, ...candidates(paths)]),
    ...(hosts.length === 0 ? [] : [`route  ${route ?? "none"}`]),
    ...(checks.length === 0 ? [] : ["checks"]),
    ...rows(
      checks.map(({ name, status, reason }) => [status === 0, name, verdict(status, reason)]),
    ),
    ...(targets.length === 0 ? [] : ["when", ...candidates(targets)]),
    "",
    ...outcomeLines(decision),
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

function verdict(status: number, reason: string): string {
  return status === 0 ? reason : `${reason}: ${status}`;
}

function candidates(list: readonly Candidate[]): string[] {
  const winner = list.findIndex(({ taken }) => taken);
  const from = Math.max(0, Math.min(winner, list.length - 1) - LOSERS_MAX);
  const shown = list.slice(from, from + LOSERS_MAX * 2);
  const hidden = list.length - shown.length;
  return [
    ...rows(shown.map(({ key, taken, reason }) => [taken, key, reason])),
    ...(hidden === 0 ? [] : [`         and ${hidden} more; --json lists all`]),
  ];
}

function rows(list: readonly (readonly [ok: boolean, name: string, reason: string])[]): string[] {
  const width = Math.max(0, ...list.map(([, name]) => name.length));
  return list.map(([ok, name, reason]) => `  ${ok ? "+" : "-"} ${name.padEnd(width)}  ${reason}`);
}

/** Without a look at the disk, all that may become of it. */
function fileLines({ file, index, question, here }: Served): string[] {
  if (here !== undefined) return [`served from ${here.path}`, `  ${here.reason}`];
  const { root, prefix, rest } = question;
  const own = rest === "" || (prefix === "" && rest === "/");
  return [
    `served from ${file}`,
    `  or its ${index}, when it is a directory`,
    `  404 when there is neither${own ? "" : `, or when ${root} is a single file`}; --host looks`,
  ];
}

function outcomeLines({ status, reason, answer, outcome }: Decision): string[] {
  if (status !== undefined) {
    return [`answered ${status}: ${reason}`, ...answer.map((line) => `  ${line}`)];
  }
  if (reason !== undefined) return [`not answered: ${reason}`];
  if (outcome?.kind === "file") return fileLines(outcome);
  if (outcome === undefined) return [];
  const [first, ...others] = outcome.targets;
  const group = others.length === 0 ? "" : ` (${outcome.upstream}, ${outcome.algorithm})`;
  return [
    `passed on to ${first!.url}${group}`,
    ...others.map(({ url }) => `          or ${url}`),
    ...first!.head.map((line) => `  ${line}`),
  ];
}
