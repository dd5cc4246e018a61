// The compiler as a pure function: text in, files and diagnostics out. It sees no disk, clock,
// environment or randomness; `bundle.ts` and the commands do.

import { type CheckedConfig, checkSource } from "./2-check/check.ts";
import { lower } from "./3-lower/lower.ts";
import { type EmitOptions, emit, type OutFile } from "./4-emit/emit.ts";
import type { Diagnostic } from "./diagnostics/diagnostic.ts";
import type { Source } from "./diagnostics/span.ts";
import { type Features, featuresOf, NO_FEATURES } from "./ir/features.ts";
import type { Ir } from "./ir/ir.ts";

export interface Compilation {
  /** Sorted by path; empty when a diagnostic is an error. */
  readonly files: readonly OutFile[];
  /** What the configuration means; absent when a diagnostic is an error. */
  readonly ir?: Ir;
  /** The configuration it was made from; absent as well. */
  readonly checked?: CheckedConfig;
  /** Which code the files need of the runtime. */
  readonly features: Features;
  /** Everything that is wrong or doubtful, in the order of the source text. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles a configuration. Never throws for what the text holds. */
export function compile(source: Source, options: EmitOptions = {}): Compilation {
  const { checked, diagnostics } = checkSource(source);
  if (checked === undefined) return { files: [], features: NO_FEATURES, diagnostics };
  const ir = lower(checked.config);
  return { files: emit(ir, options), ir, checked, features: featuresOf(ir), diagnostics };
}
