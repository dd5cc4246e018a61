// Collects the diagnostics of one run. Mistakes in a configuration never throw.

import type { Diagnostic, Fix, Label } from "./diagnostic.ts";
import { type Code, type Params, registry } from "./registry.ts";
import type { Source, Span } from "./span.ts";

/** What a rule may add to a diagnostic; `hint` replaces the hint of the registry. */
export interface Extra {
  readonly labels?: readonly Label[];
  readonly hint?: string;
  readonly fix?: Fix;
}

/** The part of a registry entry that a report needs, for any code. */
interface Wording<P> {
  readonly severity: Diagnostic["severity"];
  readonly message: (params: P) => string;
  readonly hint: (params: P) => string;
}

export class Report {
  readonly #found: Diagnostic[] = [];
  readonly #source: { readonly source?: Source };

  /** `source`: the text that is reported on, when it is not the configuration. */
  constructor(source?: Source) {
    this.#source = source === undefined ? {} : { source };
  }

  /** Adds one diagnostic; its wording comes from the registry and `params`. */
  add<C extends Code>(code: C, span: Span, params: Params<C>, extra: Extra = {}): void {
    const wording: Wording<Params<C>> = registry[code] as Wording<Params<C>>;
    this.#found.push({
      code,
      severity: wording.severity,
      message: wording.message(params),
      span,
      hint: wording.hint(params),
      ...this.#source,
      ...extra,
    });
  }

  /** All diagnostics in the order of the source text. */
  sorted(): Diagnostic[] {
    return this.#found.toSorted(
      (a, b) =>
        a.span.start - b.span.start ||
        a.span.end - b.span.end ||
        (a.code < b.code ? -1 : a.code > b.code ? 1 : 0),
    );
  }
}
