// The one door to everything under test/: it bundles TypeScript with esbuild into build/ and hands
// the result to Node, because Node 20 does not read TypeScript itself.
//
//   node test/run.mjs [FILE | FOLDER ...]    run tests ("e2e" means test/e2e); default: all
//   node test/run.mjs --vm [FILE | FOLDER]   run tests in a guest with Debian's stock kernel, by
//                                            default test/vm and what GUEST_ALSO names
//   node test/run.mjs --generate [--check]   write the generated files, or fail when one is stale
//   node test/run.mjs --bench [ARGS]         run test/bench/bench.ts
//   node test/run.mjs --run FILE.ts [ARGS]   run one script
//
// The last line of a test run is "N passed, N failed". With CI=true a skipped test is a failure.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { NoVm, VmError, withVm } from "./vm/vm.mjs";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const CONCURRENCY = 2;
const FILE_TIMEOUT_MS = 240_000;

/** Tests of what only the guest's kernel has; the machine at hand may lack it. */
const GUEST_FOLDER = "test/vm";

/** Tests that run in the guest as well: they show that a kernel as old as 6.1 is enough. */
const NATIVE_ALSO = ["file", "memory", "ring", "socket", "thread"];
const GUEST_ALSO = NATIVE_ALSO.map((it) => `test/native/${it}.test.ts`);
const GUEST_LIMIT_SECS = 420;
/** The guest's processor is emulated: waiting takes so many times longer. */
const GUEST_PATIENCE = "10";

/** Modules that export `generate(): {path, text}[]` (or a promise of it), paths from the root. */
const GENERATORS = ["native/generate.ts", "schema/generate.ts", "compiler/diagnostics/generate.ts"];

/** Tests run the data path with every feature; see runtime/data/build-flags.d.ts. */
const FLAGS = ["PROXY_ROUTES", "FILE_ROUTES", "RATE_LIMITS", "OBSERVED", "TLS"];
const ALL_FLAGS = Object.fromEntries(FLAGS.map((flag) => [flag, "true"]));

/** Tests that reach this module run the built command, so it is built before they start. */
const NEEDS_BUILD = "test/lib/server.ts";

/**
 * Bundles one entry into `build/<folder>/`, at the place it has under the root (or under test/).
 * Returns the output path and the inputs, both relative to the root.
 */
async function bundle(entry, folder, checks = true) {
  const output = join("build", folder, entry.replace(/^test\//, "").replace(/\.ts$/, ".mjs"));
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    packages: "external",
    alias: { zproxy: root },
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true,
    metafile: true,
    define: { ...ALL_FLAGS, CHECKS: String(checks) },
    logLevel: "error",
  });
  return { output, inputs: Object.keys(result.metafile.inputs) };
}

/** Runs Node from the root with the terminal as its own; returns its exit code. */
function runNode(args, env = {}) {
  const child = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (child.error) throw child.error;
  return child.status ?? 1;
}

/** The test files that the arguments name, sorted, relative to the root. */
function testFiles(names) {
  const all = readdirSync(join(root, "test"), { recursive: true })
    .map((name) => join("test", name))
    .filter((name) => name.endsWith(".test.ts"))
    .sort();
  if (names.length === 0) return all.filter((file) => !file.startsWith(GUEST_FOLDER));
  const chosen = names.flatMap((name) => {
    const path = relative(root, resolve(name));
    const found = [join("test", path), path].find((it) => existsSync(join(root, it)));
    if (found === undefined) throw new Error(`no such test file or folder: ${name}`);
    if (statSync(join(root, found)).isFile()) return [found];
    return all.filter((file) => file.startsWith(`${found}/`));
  });
  return [...new Set(chosen)];
}

/** Runs the tests that `names` stand for; `run` runs what they were bundled to. */
async function runTests(names, run) {
  const files = testFiles(names);
  const bundled = [];
  const broken = [];
  for (const file of files) {
    // One file that does not bundle must not hide the results of the others.
    await bundle(file, "test").then(
      (result) => bundled.push(result),
      () => broken.push(`${file}: does not bundle`),
    );
  }
  if (bundled.some(({ inputs }) => inputs.includes(NEEDS_BUILD))) {
    for (const script of ["native/build.mjs", "compiler/build.mjs"]) {
      if (runNode([script]) !== 0) broken.push(`${script}: failed`);
    }
  }
  const outputs = bundled.map(({ output }) => output);
  const counts = outputs.length > 0 ? await run(outputs) : noCounts();
  for (const line of broken) console.log(`FAILED ${line}`);
  for (const line of counts.skipped) console.log(`SKIPPED ${line}`);
  const skipFails = process.env.CI === "true" ? counts.skipped.length : 0;
  const failed = counts.failed + broken.length + skipFails;
  if (counts.skipped.length > 0) console.log(`SKIPPED ${counts.skipped.length} tests in all`);
  console.log(`${counts.passed} passed, ${failed} failed`);
  return failed === 0 && counts.passed > 0 ? 0 : 1;
}

function noCounts() {
  return { passed: 0, failed: 0, skipped: [] };
}

/** Arguments of Node for bundled tests: its own reporter, and beside it one that counts. */
function nodeArguments(outputs, countFile, fileTimeoutMs) {
  return [
    "--enable-source-maps",
    "--test",
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${fileTimeoutMs}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./test/lib/count-reporter.mjs",
    `--test-reporter-destination=${countFile}`,
    ...outputs,
  ];
}

function runHere(outputs) {
  const countFile = join(root, "build", "test", `counts-${process.pid}.json`);
  const code = runNode(nodeArguments(outputs, countFile, FILE_TIMEOUT_MS));
  const counts = readCounts(countFile, code);
  rmSync(countFile, { force: true });
  return counts;
}

function runInGuest(outputs) {
  const counter = (job) => join(job, "counts.json");
  const job = {
    args: (folder) => [
      process.execPath,
      ...nodeArguments(outputs, counter(folder), GUEST_LIMIT_SECS * 1000),
    ],
    cwd: root,
    env: { ZPROXY_TEST_PATIENCE: GUEST_PATIENCE },
    limitSecs: GUEST_LIMIT_SECS,
  };
  return withVm(job, (code, folder) => readCounts(counter(folder), code)).catch((error) => {
    // A skip that everybody sees, and that CI takes for a failure.
    const skipped = [`all tests in the guest (${error.message})`];
    if (error instanceof NoVm) return { passed: 0, failed: 0, skipped };
    if (!(error instanceof VmError)) throw error;
    console.log(`FAILED ${error.message}`);
    return { passed: 0, failed: 1, skipped: [] };
  });
}

function readCounts(countFile, code) {
  const text = existsSync(countFile) ? readFileSync(countFile, "utf8") : "";
  const counts = text === "" ? noCounts() : JSON.parse(text);
  // Node can fail without a failed test (a broken runner); that must never look like success.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Runs all generators; one that fails is reported and does not keep the others from running. */
async function runGenerators(checkOnly) {
  let problems = 0;
  for (const generator of GENERATORS) {
    try {
      const { output } = await bundle(generator, "generate");
      const { generate } = await import(pathToFileURL(join(root, output)).href);
      for (const { path, text } of await generate())
        problems += writeOrCheck(path, text, checkOnly);
    } catch (error) {
      console.error(`${generator}: ${error.message}`);
      problems++;
    }
  }
  if (checkOnly && problems > 0) console.error('generated files are stale; run "npm run generate"');
  return problems === 0 ? 0 : 1;
}

/** Returns 1 for a stale file when only checking, else writes what differs and returns 0. */
function writeOrCheck(path, text, checkOnly) {
  const target = join(root, path);
  const current = existsSync(target) ? readFileSync(target, "utf8") : undefined;
  if (current === text) return 0;
  console.log(`${checkOnly ? "stale" : "wrote"} ${path}`);
  if (checkOnly) return 1;
  mkdirSync(join(target, ".."), { recursive: true });
  writeFileSync(target, text);
  return 0;
}

/** Bundles and runs one script; `checks` off is the shipped build, the one a bench measures. */
async function runScript(file, args, checks) {
  const { output } = await bundle(relative(root, resolve(file)), "run", checks);
  return runNode(["--enable-source-maps", output, ...args]);
}

async function main(args) {
  const [first, ...rest] = args;
  if (first === "--generate") return runGenerators(rest.includes("--check"));
  if (first === "--bench") return runScript(join(root, "test/bench/bench.ts"), rest, false);
  if (first === "--run" && rest.length > 0) return runScript(rest[0], rest.slice(1), true);
  if (first === "--vm") {
    return runTests(rest.length > 0 ? rest : [GUEST_FOLDER, ...GUEST_ALSO], runInGuest);
  }
  if (first?.startsWith("--")) throw new Error(`unknown option: ${first}`);
  return runTests(args, runHere);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`test/run.mjs: ${error.message}`);
  process.exitCode = 2;
}
