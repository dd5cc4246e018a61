// The repository's own text files, for tests about how the source reads.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SourceFile {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly lines: readonly string[];
}

const CODE = /\.(ts|mjs|js|cjs|c|h|cc)$/;

/** Folders that hold what others wrote or what a build left. */
const FOREIGN = new Set([".git", "node_modules", "build", "build-sanitize", "dist", "golden"]);
const TEXT = /\.(ts|mjs|js|cjs|c|h|cc|json|md|toml|gyp|html|css)$|^\.?[a-z]+$/;

/** The source by path; not what a build leaves, nor what only records another program's output. */
export function sourceFiles(folder = "."): SourceFile[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !FOREIGN.has(name) && name !== "package-lock.json")
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sourceFiles(path);
      if (!entry.isFile() || !TEXT.test(entry.name)) return [];
      return [{ path, lines: readFileSync(path, "utf8").split("\n") }];
    });
}

export function isCode(file: SourceFile): boolean {
  return CODE.test(file.path);
}

export function isGenerated(file: SourceFile): boolean {
  return file.path.includes(".generated.");
}

/** A module's imports, static, dynamic and re-exports, as written. */
export function importsOf(file: SourceFile): string[] {
  const text = file.lines.join("\n");
  const found = text.matchAll(/\b(?:from|import)\s*\(?\s*"([^"\n]+)"/g);
  return Array.from(found, (match) => match[1] ?? "");
}

export interface FunctionRange {
  /** Index of the first line; `line + 1` is its number in an editor. */
  readonly line: number;
  readonly count: number;
}

const OPENER = /(\bfunction\b.*|=>|\)(: [^={}]+)?) \{$/;
const CONTROL = /^(\} )?(if|for|while|switch|else|do|try|catch|with)\b/;
/** A suite is a list of tests, each of which is measured by itself. */
const SUITE = /^(describe|suite)\(/;

/**
 * Functions by indentation: the formatter puts the closing brace under the start of the statement,
 * which spares us a parser. Works for formatted TypeScript and JavaScript.
 */
export function functionsOf(file: SourceFile): FunctionRange[] {
  const { lines } = file;
  const ranges: FunctionRange[] = [];
  for (const [at, text] of lines.entries()) {
    if (!OPENER.test(text)) continue;
    const indent = text.search(/\S/);
    const start = text.trimStart().startsWith(")") ? statementStart(lines, at, indent) : at;
    const opening = (lines[start] ?? "").trimStart();
    if (CONTROL.test(opening) || SUITE.test(opening)) continue;
    const end = lines.findIndex((line, index) => index > at && isClosing(line, indent));
    ranges.push({ line: start, count: (end < 0 ? lines.length : end) - start + 1 });
  }
  return ranges;
}

/** The first line of a statement whose signature ends on line `at`. */
function statementStart(lines: readonly string[], at: number, indent: number): number {
  let start = at - 1;
  while (start > 0 && (lines[start] ?? "").search(/\S/) !== indent) start--;
  return start;
}

function isClosing(line: string, indent: number): boolean {
  return line.search(/\S/) === indent && line.trimStart().startsWith("}");
}

/** C functions: from a signature at the margin to the closing brace at the margin. */
export function cFunctionsOf(file: SourceFile): FunctionRange[] {
  const ranges: FunctionRange[] = [];
  let start = -1;
  for (const [at, line] of file.lines.entries()) {
    if (/^[A-Za-z_].*\(/.test(line) && !/[;=]/.test(line)) start = at;
    if (line !== "}" || start < 0) continue;
    ranges.push({ line: start, count: at - start + 1 });
    start = -1;
  }
  return ranges;
}
