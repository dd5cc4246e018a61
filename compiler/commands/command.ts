// What the commands have in common.

import { isUtf8 } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { BundleError, findAddon } from "../bundle.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { type FormatName, formats } from "../diagnostics/formats.ts";
import type { Source } from "../diagnostics/span.ts";
import { nearestName } from "../diagnostics/suggestion.ts";

export const EXIT_OK = 0;
/** The configuration has mistakes, or the output could not be written. */
export const EXIT_ERRORS = 1;
/** The command line cannot be understood. */
export const EXIT_USAGE = 2;

const LINE_FEED = 10;

export const CONFIG_FILE = "config.toml";

/** One word after `zproxy`. */
export interface Command {
  readonly summary: string;
  readonly help: string;
  /** Returns the exit status; throws `UsageError` or `BundleError` with a sentence for the user. */
  readonly run: (args: string[]) => Promise<number>;
}

/** The command line cannot be understood; the message is a sentence. */
export class UsageError extends Error {}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

/** Reads options and at most one configuration file off a command line. */
export function parseCommandLine<const T extends Options>(args: string[], options: T) {
  const { values, positionals } = parseArguments(args, options);
  const [file = CONFIG_FILE, extra] = positionals;
  if (extra !== undefined) throw new UsageError(`one configuration file is enough: ${extra}`);
  return { values, file };
}

/** Reads options and whatever else stands on a command line. */
export function parseArguments<const T extends Options>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(optionSentence(error as NodeJS.ErrnoException, Object.keys(options)));
  }
}

/** Node's own texts begin with a capital, and go on with advice that does not apply here. */
function optionSentence({ code, message }: NodeJS.ErrnoException, known: string[]): string {
  const [sentence = ""] = message.split(". ");
  const unknown = code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" && /'(-+)(.*)'/.exec(sentence);
  if (!unknown) return `${sentence.replace(/\.$/, "")}; --help lists what there is`;
  const meant = nearestName(unknown[2]!, known);
  const remedy = meant === undefined ? "--help lists what there is" : `did you mean --${meant}?`;
  return `there is no option ${unknown[1]}${unknown[2]}; ${remedy}`;
}

/** The one of `names` that --format asks for. */
export function formatNamed<Name extends string>(names: readonly Name[], wanted: string): Name {
  const found = names.find((name) => name === wanted);
  if (found !== undefined) return found;
  const list = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  throw new UsageError(`--format is ${list}, not ${wanted}`);
}

/** The addon of the package; undefined on systems that have none. */
export function installedAddon(root: string): string | undefined {
  const addon = findAddon(root);
  if (addon === undefined && process.platform === "linux") {
    throw new BundleError("the native addon is not built; run: npm rebuild zproxy");
  }
  return addon;
}

/** What a file of tests is called that stands beside `config.toml`. */
const TEST_FILE = ".test.toml";

/** The tests beside a configuration file; undefined when there are none. */
export function readTestsBeside(file: string): Source | undefined {
  const beside = file.replace(/\.toml$/, TEST_FILE);
  return beside === file || !existsSync(beside) ? undefined : readText(beside);
}

/** Reads a configuration file; "-" is standard input. */
export function readConfig(file: string): Source {
  if (!file.endsWith(TEST_FILE)) return readText(file);
  const config = file.replace(TEST_FILE, ".toml");
  throw new UsageError(`${file} holds tests of ${config}: name that one, they are read with it`);
}

/** Reads a file of TOML, whatever it holds. */
export function readText(file: string): Source {
  try {
    const bytes = readFileSync(file === "-" ? 0 : file);
    return { path: file === "-" ? "<stdin>" : file, text: decodeText(bytes, file) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${file} cannot be read: ${REASONS[code] ?? code}`);
  }
}

/** TOML is UTF-8. Reading on with replacement characters would change values in silence. */
export function decodeText(bytes: Buffer, file: string): string {
  if (isUtf8(bytes)) return bytes.toString();
  let line = 1;
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
    if (!isUtf8(bytes.subarray(start, end))) break;
    line++;
    start = end + 1;
  }
  throw new UsageError(`${file} cannot be read: line ${line} is not UTF-8; save it as UTF-8`);
}

/** Prints diagnostics; in colour when `stream` is a terminal and NO_COLOR is not set. */
export function printDiagnostics(
  source: Source,
  diagnostics: readonly Diagnostic[],
  stream: NodeJS.WriteStream,
  format: FormatName = "text",
): void {
  const color = stream.isTTY === true && !process.env.NO_COLOR;
  stream.write(formats[format](source, diagnostics, { color }));
}

/** Where something failed on the disk, and why; Node's own text where we have no better one. */
export function systemSentence({ code = "", path, message }: NodeJS.ErrnoException): string {
  const why = REASONS[code];
  if (path === undefined || why === undefined) return message;
  const folder = dirname(path);
  const isLost = code === "ENOENT" && !existsSync(folder);
  return `${path}: ${isLost ? `there is no folder ${folder}` : why}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is a file",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
};
