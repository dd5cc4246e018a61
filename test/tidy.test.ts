// The part of the house style that a machine can check cheaply. Each rule lists every offence as
// "path:line: what", so that one run shows all there is to mend.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";
import {
  cFunctionsOf,
  functionsOf,
  importsOf,
  isCode,
  isGenerated,
  type SourceFile,
  sourceFiles,
} from "./lib/source-files.ts";

const LINE_COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 500;

/** The sentence by which a long file says, in its opening comment, why it is not split. */
const LONG_BECAUSE = /Long because /;

const FILES = sourceFiles();
const CODE = FILES.filter((file) => isCode(file) && !isGenerated(file));
const SELF = "test/tidy.test.ts";

/** Runs a rule over files and asserts that it has nothing to say. */
function rule(name: string, files: readonly SourceFile[], check: Check): void {
  test(name, () => {
    const offences: string[] = [];
    for (const file of files) {
      check(file, (line, what) => offences.push(`${file.path}:${line + 1}: ${what}`));
    }
    assert.ok(offences.length === 0, `${offences.length} offences:\n${offences.join("\n")}`);
  });
}

type Check = (file: SourceFile, offence: (line: number, what: string) => void) => void;

/** A rule that forbids a pattern on any line. */
function forbid(name: string, files: readonly SourceFile[], pattern: RegExp): void {
  rule(name, files, ({ lines }, offence) => {
    for (const [at, line] of lines.entries()) {
      const match = pattern.exec(line);
      if (match !== null) offence(at, match[0]);
    }
  });
}

/** A rule about what the modules in some folders may import. */
function forbidImports(
  name: string,
  folders: readonly string[],
  forbidden: (target: string, file: SourceFile) => boolean,
): void {
  const inside = CODE.filter(({ path }) => folders.some((folder) => path.startsWith(folder)));
  rule(name, inside, (file, offence) => {
    for (const target of importsOf(file)) {
      const resolved = target.startsWith(".")
        ? normalize(join(dirname(file.path), target))
        : target;
      if (!forbidden(resolved, file)) continue;
      offence(
        file.lines.findIndex((line) => line.includes(`"${target}"`)),
        `imports ${target}`,
      );
    }
  });
}

test("there is source to look at", () => {
  assert.ok(CODE.length > 50, `only ${CODE.length} files`);
});

/** A sentence is easier to find in one piece, so a line may be long when a literal makes it so. */
const LITERAL = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\/(?:[^/\\]|\\.)+\/[a-z]*/g;

rule(`lines have at most ${LINE_COLUMNS_MAX} columns`, CODE, ({ lines }, offence) => {
  for (const [at, line] of lines.entries()) {
    const columns = Array.from(line).length;
    if (columns <= LINE_COLUMNS_MAX) continue;
    const isComment = /^\s*(\/\/|\/?\*)/.test(line);
    const literals = isComment ? [] : (line.match(LITERAL) ?? []).map((text) => text.length);
    if (columns - Math.max(0, ...literals) > LINE_COLUMNS_MAX / 2)
      offence(at, `${columns} columns`);
  }
});

rule(`functions have at most ${FUNCTION_LINES_MAX} lines`, CODE, (file, offence) => {
  const isC = /\.(c|h|cc)$/.test(file.path);
  for (const { line, count } of isC ? cFunctionsOf(file) : functionsOf(file)) {
    if (count > FUNCTION_LINES_MAX) offence(line, `${count} lines`);
  }
});

rule(`files past ${FILE_LINES_MAX} lines explain themselves`, CODE, (file, offence) => {
  if (file.lines.length <= FILE_LINES_MAX) return;
  const opening = file.lines.slice(0, 30).join("\n");
  if (!LONG_BECAUSE.test(opening)) offence(0, `${file.lines.length} lines, no "Long because …"`);
});

rule("a source file opens with why it exists", CODE, ({ path, lines }, offence) => {
  // A C unit is described by its header.
  if (path.endsWith(".c") && existsSync(path.replace(/\.c$/, ".h"))) return;
  const first = lines[lines[0]?.startsWith("#!") ? 1 : 0] ?? "";
  if (!/^(\/\/|\/\*)/.test(first)) offence(0, "starts without a comment");
});

/** The nearest README above a file. */
function readmeOf({ path }: SourceFile): string {
  let folder = dirname(path);
  while (!existsSync(join(folder, "README.md"))) folder = dirname(folder);
  return join(folder, "README.md");
}

const MAPS = new Map(CODE.map((file) => [readmeOf(file), ""]));
for (const path of MAPS.keys()) MAPS.set(path, readFileSync(path, "utf8"));

/** Whether a name in a file map, such as `ip-*.ts` or `rules/`, is about a path below it. */
function names(name: string, path: string): boolean {
  const pattern = name.replaceAll(/[^\w/*-]/g, "\\$&").replaceAll("*", "[^/]*");
  return new RegExp(`(^|/)${pattern}${name.endsWith("/") ? "" : "$"}`).test(path);
}

rule("each file is in the file map of its folder", CODE, (file, offence) => {
  const readme = readmeOf(file);
  const path = file.path.slice(dirname(readme) === "." ? 0 : dirname(readme).length + 1);
  // A C header is its unit's.
  const paths = [path, path.replace(/\.h$/, ".c")];
  const rows = (MAPS.get(readme) ?? "").match(/^\|.*/gm) ?? [];
  const listed = Array.from(rows.join("\n").matchAll(/`([^`\n]+)`/g), ([, name = ""]) => name);
  if (!listed.some((name) => paths.some((it) => names(name, it)))) offence(0, `not in ${readme}`);
});

rule("file names are kebab-case", FILES, ({ path }, offence) => {
  const name = basename(path);
  const isDocument = /^([A-Z]+(\.md)?|Dockerfile(\.dockerignore)?)$/.test(name);
  if (!isDocument && !/^\.?[a-z0-9]+([.-][a-z0-9]+)*$/.test(name)) offence(0, name);
});

rule("generated files say so", FILES.filter(isGenerated), ({ lines }, offence) => {
  const marked = /Generated from .*do not edit/.test(lines.slice(0, 2).join(" "));
  if (!marked) offence(0, "no mark in the first lines");
});

const OTHERS = FILES.filter(({ path }) => path !== SELF);
const OTHER_CODE = CODE.filter(({ path }) => path !== SELF);

forbid("nothing is left to do", OTHERS, /\b(TODO|FIXME|XXX|HACK)\b/);
forbid(
  "no check is silenced",
  OTHER_CODE,
  /@ts-(ignore|expect-error|nocheck)|(biome|eslint)-\w*ignore/,
);
forbid(
  "types are known",
  OTHER_CODE,
  /^(?!\s*(\/\/|\/?\*)).*((\bas|[:<,]|(?<!\|)\|) any\b|\bany\[\])/,
);
forbid(
  "no test is switched off or singled out",
  OTHER_CODE,
  /\b(test|it|describe)\.(skip|only|todo)\b/,
);
forbid("nobody's own folders are named", OTHERS, /(?<![\w.:}-])\/(home|root|Users|work|mnt)\/\w+/);
forbid("no trailing white space", OTHERS, /[ \t]+$/);

const DATA_PATH = /^(runtime\/control\/|zproxy\/runtime\/control\/|node:|pino\b|undici\b)/;
forbidImports("runtime/data is free of Node and of the control side", ["runtime/data/"], (target) =>
  DATA_PATH.test(target),
);

forbidImports("the runtime does not import the compiler", ["runtime/"], (target) =>
  /^(zproxy\/)?compiler\//.test(target),
);

const PURE = ["1-read", "2-check", "3-lower", "4-emit", "ir", "bpf", "diagnostics", "compile.ts"];
const PURE_PATHS = PURE.map((name) => `compiler/${name}`);
forbidImports("the compiler's core touches no disk, clock or environment", PURE_PATHS, (target) =>
  /^node:(?!assert|crypto)/.test(target),
);
forbid(
  "the compiler's core asks for no time or environment",
  OTHER_CODE.filter(({ path }) => PURE_PATHS.some((folder) => path.startsWith(folder))),
  /\bDate\.now\(|\bnew Date\(\)|\bprocess\.(env|cwd|platform)\b|\bMath\.random\(/,
);

forbidImports("a phase imports only earlier phases", ["compiler/"], (target, file) => {
  const own = /^compiler\/(\d)-/.exec(file.path);
  const other = /^compiler\/(\d)-/.exec(target);
  return own !== null && other !== null && Number(other[1]) > Number(own[1]);
});

forbid(
  "N-API appears in native/addon*.cc alone",
  CODE.filter(
    ({ path }) => path.startsWith("native/") && !/^native\/addon[-\w]*\.(cc|h)$/.test(path),
  ),
  /\bnapi_\w+/,
);

for (const folder of ["compiler", "examples", "native", "runtime", "schema", "test"]) {
  test(`${folder}/ has a README.md`, () => {
    assert.ok(existsSync(join(folder, "README.md")));
  });
}

test("package-lock.json names no registry", () => {
  assert.doesNotMatch(readFileSync("package-lock.json", "utf8"), /"resolved"/);
});

test("package-lock.json holds every package it refers to, of all platforms", () => {
  // "npm ci" refuses a lock without them, and a registry that lacks one makes npm leave it out.
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const missing = Object.values(packages)
    .flatMap(({ dependencies, optionalDependencies }) =>
      Object.keys({ ...dependencies, ...optionalDependencies }),
    )
    .filter((name) => packages[`node_modules/${name}`] === undefined);
  assert.deepEqual(missing, []);
});

interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
