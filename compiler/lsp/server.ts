// The language server: answers an editor's requests about the documents it has open. The protocol's
// framing, its life cycle and incremental changes of text are vscode-languageserver's.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type {
  CodeAction,
  CompletionItem,
  Connection,
  DocumentSymbol,
  Hover,
  InitializeParams,
  InitializeResult,
  Location,
  TextDocuments,
  TextEdit,
  WorkspaceEdit,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { isFile } from "./complete-value.ts";
import { completionsAt } from "./completion.ts";
import { ConfigDocument, isTestFile, type Position } from "./config-document.ts";
import { textOf } from "./cursor.ts";
import { formatEdits, repairsIn } from "./edits.ts";
import { hoverAt } from "./hover.ts";
import { definitionOf, usesOfName } from "./names.ts";
import {
  type ClientAbilities,
  protocolChoice,
  protocolDiagnostic,
  protocolSymbol,
} from "./protocol.ts";
import { symbolsOf } from "./symbols.ts";

/** Milliseconds without a change after which a document is checked anew. */
const QUIET_MS = 100;

const INCREMENTAL_CHANGES = 2;

interface Place {
  readonly textDocument: { readonly uri: string };
  readonly position: Position;
}

export class LanguageServer {
  readonly #connection: Connection;
  readonly #documents: TextDocuments<TextDocument>;
  readonly #known = new Map<string, ConfigDocument>();
  /** The version of each document that diagnostics were last sent for. */
  readonly #told = new Map<string, number>();
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  readonly #codePage: string;
  readonly #version: string;
  #abilities: ClientAbilities = { related: false, snippets: false, markdown: false };

  /** `codePage` is the address of CODES.md. */
  constructor(
    connection: Connection,
    documents: TextDocuments<TextDocument>,
    codePage: string,
    version: string,
  ) {
    this.#connection = connection;
    this.#documents = documents;
    this.#codePage = codePage;
    this.#version = version;
  }

  listen(): void {
    const connection = this.#connection;
    connection.onInitialize((params) => this.#initialize(params));
    connection.onHover((at) => this.#hover(at));
    connection.onCompletion((at) => this.#complete(at));
    connection.onDefinition((at) => this.#define(at));
    connection.onReferences((at) => this.#references(at));
    connection.onPrepareRename((at) => this.#prepareRename(at));
    connection.onRenameRequest((at) => this.#rename(at, at.newName));
    connection.onDocumentSymbol(({ textDocument }) => this.#symbols(textDocument.uri));
    connection.onDocumentFormatting(({ textDocument }) => this.#format(textDocument.uri));
    connection.onCodeAction(({ textDocument, range }) => this.#repair(textDocument.uri, range));
    this.#documents.onDidOpen(({ document }) => this.#check(document.uri));
    this.#documents.onDidChangeContent(({ document }) => this.#checkSoon(document.uri));
    this.#documents.onDidClose(({ document }) => this.#forget(document.uri));
    this.#documents.listen(connection);
    connection.listen();
  }

  #initialize({ capabilities: { textDocument } }: InitializeParams): InitializeResult {
    const hover = textDocument?.hover?.contentFormat ?? ["markdown"];
    this.#abilities = {
      related: textDocument?.publishDiagnostics?.relatedInformation ?? false,
      snippets: textDocument?.completion?.completionItem?.snippetSupport ?? false,
      markdown: hover.includes("markdown"),
    };
    return {
      serverInfo: { name: "zproxy", version: this.#version },
      capabilities: {
        textDocumentSync: { openClose: true, change: INCREMENTAL_CHANGES },
        hoverProvider: true,
        completionProvider: { triggerCharacters: ["[", ".", '"', "'", "=", "/", "{", ","] },
        definitionProvider: true,
        referencesProvider: true,
        renameProvider: { prepareProvider: true },
        documentSymbolProvider: true,
        documentFormattingProvider: true,
        codeActionProvider: { codeActionKinds: ["quickfix"] },
      },
    };
  }

  /** The document as it is now; undefined when the editor has not opened it. */
  #document(uri: string): ConfigDocument | undefined {
    const document = this.#documents.get(uri);
    if (document === undefined) return undefined;
    const known = this.#known.get(uri);
    if (known?.version === document.version) return known;
    const fresh = new ConfigDocument(document, isTestFile(uri) ? this.#beside(uri) : undefined);
    this.#known.set(uri, fresh);
    return fresh;
  }

  /** The configuration that a file of tests is about: as it is open, or as it is on the disk. */
  #beside(uri: string): string | undefined {
    const config = uri.replace(/\.test\.toml$/, ".toml");
    const open = this.#documents.get(config);
    if (open !== undefined) return open.getText();
    try {
      return readFileSync(fileURLToPath(config), "utf8");
    } catch {
      return undefined;
    }
  }

  /**
   * Nobody waits for an answer here, so what is thrown would end the process: a mistake in this
   * program is told, and all else goes on.
   */
  #check(uri: string): void {
    clearTimeout(this.#waiting.get(uri));
    this.#waiting.delete(uri);
    try {
      this.#tell(uri);
    } catch (error) {
      const trace = error instanceof Error ? error.stack : String(error);
      this.#connection.console.error(`zproxy could not check ${uri}: ${trace}`);
    }
  }

  #tell(uri: string): void {
    const document = this.#document(uri);
    if (document === undefined) return;
    const diagnostics = document.diagnostics.map((it) =>
      protocolDiagnostic(it, document, this.#codePage, this.#abilities),
    );
    this.#told.set(uri, document.version);
    void this.#connection.sendDiagnostics({ uri, version: document.version, diagnostics });
  }

  #checkSoon(uri: string): void {
    // Opening a document is told as a change, too.
    if (this.#told.get(uri) === this.#documents.get(uri)?.version) return;
    clearTimeout(this.#waiting.get(uri));
    this.#waiting.set(
      uri,
      setTimeout(() => this.#check(uri), QUIET_MS),
    );
  }

  #forget(uri: string): void {
    clearTimeout(this.#waiting.get(uri));
    this.#waiting.delete(uri);
    this.#told.delete(uri);
    this.#known.delete(uri);
    void this.#connection.sendDiagnostics({ uri, diagnostics: [] });
  }

  #hover({ textDocument, position }: Place): Hover | null {
    const document = this.#document(textDocument.uri);
    const found = document === undefined ? undefined : hoverAt(document, position);
    if (found === undefined) return null;
    const kind = this.#abilities.markdown ? "markdown" : "plaintext";
    return { contents: { kind, value: found.text }, range: found.range };
  }

  #complete({ textDocument, position }: Place): CompletionItem[] {
    const document = this.#document(textDocument.uri);
    if (document === undefined) return [];
    const listFolder = (path: string): readonly string[] => listFiles(textDocument.uri, path);
    const options = { snippets: this.#abilities.snippets, listFolder };
    return completionsAt(document, position, options).map((choice, rank) =>
      protocolChoice(choice, rank, document, this.#abilities),
    );
  }

  #define({ textDocument, position }: Place): Location | null {
    const document = this.#document(textDocument.uri);
    const cursor = document?.cursor(position);
    if (document === undefined || cursor === undefined) return null;
    const span = definitionOf(document, cursor);
    if (span !== undefined) return { uri: document.uri, range: document.range(span) };
    if (cursor.kind !== "value" || !isFile(cursor.path)) return null;
    const name = textOf(document.text, cursor.span);
    const path = name === undefined ? undefined : besideDocument(document.uri, name);
    if (path === undefined) return null;
    const start = { line: 0, character: 0 };
    return { uri: pathToFileURL(path).href, range: { start, end: start } };
  }

  #references({ textDocument, position }: Place): Location[] {
    const document = this.#document(textDocument.uri);
    const cursor = document?.cursor(position);
    if (document === undefined || cursor === undefined) return [];
    const { uri } = document;
    return usesOfName(document, cursor).map(({ span }) => ({
      uri,
      range: document.range(span),
    }));
  }

  #prepareRename({ textDocument, position }: Place) {
    const document = this.#document(textDocument.uri);
    const cursor = document?.cursor(position);
    if (document === undefined || cursor === undefined) return null;
    const offset = document.offset(position);
    const use = usesOfName(document, cursor).find(
      ({ span }) => span.start <= offset && offset <= span.end,
    );
    if (use === undefined) return null;
    return { range: document.range(use.span), placeholder: use.name };
  }

  #rename({ textDocument, position }: Place, name: string): WorkspaceEdit | null {
    const document = this.#document(textDocument.uri);
    const cursor = document?.cursor(position);
    if (document === undefined || cursor === undefined || name === "") return null;
    const edits = usesOfName(document, cursor).map((use) => ({
      range: document.range(use.span),
      newText: use.write(name),
    }));
    return edits.length === 0 ? null : { changes: { [document.uri]: edits } };
  }

  #symbols(uri: string): DocumentSymbol[] {
    const document = this.#document(uri);
    if (document === undefined) return [];
    return symbolsOf(document).map((symbol) => protocolSymbol(symbol, document));
  }

  #format(uri: string): TextEdit[] {
    const document = this.#document(uri);
    return document === undefined ? [] : formatEdits(document);
  }

  #repair(uri: string, range: ConfigRange): CodeAction[] {
    const document = this.#document(uri);
    if (document === undefined) return [];
    return repairsIn(document, range).map(({ title, diagnostic, edit }) => ({
      title,
      kind: "quickfix",
      isPreferred: true,
      diagnostics: [protocolDiagnostic(diagnostic, document, this.#codePage, this.#abilities)],
      edit: { changes: { [uri]: [edit] } },
    }));
  }
}

type ConfigRange = Parameters<typeof repairsIn>[1];

/** A path in a configuration is relative to its folder; of an unsaved document there is none. */
function besideDocument(uri: string, path: string): string | undefined {
  if (!uri.startsWith("file:")) return undefined;
  try {
    return resolve(dirname(fileURLToPath(uri)), path);
  } catch {
    return undefined;
  }
}

/** The names in a folder, or none when it cannot be read. */
function listFiles(uri: string, folder: string): readonly string[] {
  const path = besideDocument(uri, folder);
  if (path === undefined) return [];
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  } catch {
    return [];
  }
}
