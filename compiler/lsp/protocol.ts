// Our plain data in the protocol's terms. Its enumerations are numbers; they are written out here,
// so that nothing of its package is loaded by a command that is not a language server.

import type { CompletionItem, Diagnostic, DocumentSymbol } from "vscode-languageserver/node";
import type { Diagnostic as OwnDiagnostic, Severity } from "../diagnostics/diagnostic.ts";
import { type Code, registry } from "../diagnostics/registry.ts";
import type { Choice } from "./completion.ts";
import type { ConfigDocument } from "./config-document.ts";
import type { TableSymbol } from "./symbols.ts";

/** What the editor has said that it understands. */
export interface ClientAbilities {
  /** Other places of a diagnostic. */
  readonly related: boolean;
  readonly snippets: boolean;
  readonly markdown: boolean;
}

const SEVERITIES = { error: 1, warning: 2, note: 3 } as const satisfies Record<Severity, number>;

/** Shown faded: what nobody reaches or uses. */
const UNNECESSARY = 1;
const FADED: readonly Code[] = ["route/unreachable", "upstream/unused"];

const CHOICE_KINDS = { key: 10, table: 22, value: 12, name: 18, file: 17, folder: 19 } as const;

const SNIPPET = 2;
const NAMESPACE = 3;

export function protocolDiagnostic(
  it: OwnDiagnostic,
  document: ConfigDocument,
  codePage: string,
  { related }: ClientAbilities,
): Diagnostic {
  const labels = it.labels ?? [];
  const hint = it.hint === undefined ? [] : [`hint: ${it.hint}`];
  const message = [it.message, ...(related ? [] : labels.map(({ text }) => text)), ...hint];
  return {
    range: document.range(it.span),
    severity: SEVERITIES[it.severity],
    source: "zproxy",
    code: it.code,
    codeDescription: { href: `${codePage}#${anchorOf(it.code)}` },
    message: message.join("\n"),
    ...(FADED.includes(it.code) ? { tags: [UNNECESSARY] } : {}),
    ...(related && labels.length > 0
      ? {
          relatedInformation: labels.map(({ span, text }) => ({
            location: { uri: document.uri, range: document.range(span) },
            message: text,
          })),
        }
      : {}),
  };
}

/** The heading of a code in CODES.md, as Markdown viewers make anchors of headings. */
function anchorOf(code: Code): string {
  const heading = `${code} ${registry[code].severity}`;
  return heading.replaceAll(/[^\w -]/g, "").replaceAll(" ", "-");
}

export function protocolChoice(
  choice: Choice,
  rank: number,
  document: ConfigDocument,
  { markdown }: ClientAbilities,
): CompletionItem {
  const { label, kind, text, span, isSnippet = false, detail, documentation } = choice;
  // Editors compare what is typed, its quote included, with this.
  const quote = document.text[span.start] === "'" ? "'" : '"';
  return {
    label,
    kind: CHOICE_KINDS[kind],
    // In the order of the schema.
    sortText: String(rank).padStart(5, "0"),
    filterText: label.replaceAll('"', quote),
    textEdit: { range: document.range(span), newText: text },
    ...(isSnippet ? { insertTextFormat: SNIPPET } : {}),
    ...(detail === undefined ? {} : { detail }),
    ...(documentation === undefined
      ? {}
      : { documentation: { kind: markdown ? "markdown" : "plaintext", value: documentation } }),
  };
}

export function protocolSymbol(
  { name, detail, whole, header }: TableSymbol,
  document: ConfigDocument,
): DocumentSymbol {
  return {
    name,
    detail,
    kind: NAMESPACE,
    range: document.range(whole),
    selectionRange: document.range(header),
  };
}
