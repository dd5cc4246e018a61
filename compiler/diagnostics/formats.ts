// Every way to print diagnostics. A new format is a file and a row.

import type { Diagnostic } from "./diagnostic.ts";
import { formatGithub } from "./github-format.ts";
import { formatJson } from "./json-format.ts";
import { formatSarif } from "./sarif-format.ts";
import type { Source } from "./span.ts";
import { formatText, type TextOptions } from "./text-format.ts";

export type Format = (
  source: Source,
  diagnostics: readonly Diagnostic[],
  options?: TextOptions,
) => string;

export const formats = {
  text: formatText,
  json: formatJson,
  sarif: formatSarif,
  github: formatGithub,
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;

export const formatNames = Object.keys(formats) as FormatName[];
