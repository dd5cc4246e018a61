// Diagnostics as SARIF 2.1.0, the format that code hosts take for their list of findings.

import type { Diagnostic, Fix, Severity } from "./diagnostic.ts";
import { printable } from "./display-width.ts";
import { rangeOf } from "./json-format.ts";
import { type Code, registry } from "./registry.ts";
import { type LineMap, type Source, Sources, type Span } from "./span.ts";

/** SARIF's words for how bad it is happen to be ours. */
const LEVELS: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  note: "note",
};

/** One log with one run, the rules in it those that have a result. */
export function formatSarif(source: Source, diagnostics: readonly Diagnostic[]): string {
  const sources = new Sources(source);
  const texts = [...new Set([source, ...diagnostics.map((it) => sources.of(it).source)])];
  const codes = [...new Set(diagnostics.map(({ code }) => code))].sort();
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "zproxy", rules: codes.map(rule) } },
        columnKind: "utf16CodeUnits",
        artifacts: texts.map((it) => ({ location: locationOf(it) })),
        results: diagnostics.map((it) => result(it, codes, sources)),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

/** What the page of codes says about a code. */
function rule(code: Code) {
  const { severity, meaning, example, corrected, remedy } = registry[code];
  const text = `${meaning} ${remedy}`;
  const markdown = [
    meaning,
    ["```toml", example, "```"].join("\n"),
    remedy,
    ["```toml", corrected, "```"].join("\n"),
  ].join("\n\n");
  return {
    id: code,
    shortDescription: { text: code.replace("/", ": ").replaceAll("-", " ") },
    fullDescription: { text: meaning },
    help: { text, markdown },
    defaultConfiguration: { level: LEVELS[severity] },
  };
}

interface ArtifactLocation {
  readonly uri: string;
}

function locationOf({ path }: Source): ArtifactLocation {
  return { uri: uriOf(path) };
}

function result(it: Diagnostic, codes: readonly Code[], sources: Sources) {
  const { source, lines } = sources.of(it);
  const artifactLocation = locationOf(source);
  const hint = it.hint === undefined ? "" : `\n${it.hint}`;
  const place = (span: Span) => ({
    physicalLocation: { artifactLocation, region: region(lines, span) },
  });
  const related = (it.labels ?? []).map(({ span, text }, id) => ({
    id,
    message: { text: printable(text) },
    ...place(span),
  }));
  return {
    ruleId: it.code,
    ruleIndex: codes.indexOf(it.code),
    level: LEVELS[it.severity],
    message: { text: printable(it.message) + hint },
    locations: [place(it.span)],
    ...(related.length === 0 ? {} : { relatedLocations: related }),
    ...(it.fix === undefined ? {} : { fixes: [fixOf(it.fix, lines, artifactLocation)] }),
  };
}

function fixOf(fix: Fix, lines: LineMap, artifactLocation: ArtifactLocation) {
  const replacement = {
    deletedRegion: region(lines, fix.span),
    ...(fix.text === "" ? {} : { insertedContent: { text: fix.text } }),
  };
  return {
    description: { text: fix.label },
    artifactChanges: [{ artifactLocation, replacements: [replacement] }],
  };
}

function region(lines: LineMap, span: Span) {
  const { line, column, endLine, endColumn } = rangeOf(lines, span);
  return { startLine: line, startColumn: column, endLine, endColumn };
}

/** A path as a relative or absolute URI reference. */
function uriOf(path: string): string {
  const uri = path.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/");
  return uri.startsWith("/") ? `file://${uri}` : uri;
}
