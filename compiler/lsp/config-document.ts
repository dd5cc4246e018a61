// A document that an editor has open, with what is worked out about it. Each version is looked at
// once, and only when somebody asks.

import type { TextDocument } from "vscode-languageserver-textdocument";
import type { SchemaNode } from "../../schema/schema-node.ts";
import { checkSource } from "../2-check/check.ts";
import { checkTestFile } from "../2-check/check-test-file.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Span } from "../diagnostics/span.ts";
import { nearestName } from "../diagnostics/suggestion.ts";
import { type Cursor, cursorAt } from "./cursor.ts";
import { Outline } from "./outline.ts";
import { SCHEMA, TEST_FILE_SCHEMA } from "./schema-path.ts";

/** Lines and columns from 0, columns in UTF-16 code units, as the protocol has them. */
export interface Position {
  readonly line: number;
  readonly character: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** The comment by which a document names its schema. */
const SCHEMA_COMMENT = /^#:schema[ \t]+(\S+)[ \t]*$/m;
const SCHEMA_NAME = /(?:^|[/\\])config(?:\.test)?\.schema\.json$/;

/** Whether a document holds tests of the configuration beside it. */
export function isTestFile(uri: string): boolean {
  return uri.endsWith(".test.toml");
}

export class ConfigDocument {
  readonly uri: string;
  readonly version: number;
  readonly text: string;
  readonly #document: TextDocument;
  readonly #beside: string | undefined;
  #outline: Outline | undefined;
  #diagnostics: readonly Diagnostic[] | undefined;

  /**
   * `document` must not change while this object is in use. `beside`: the configuration's text, of
   * a file of tests.
   */
  constructor(document: TextDocument, beside?: string) {
    this.#beside = beside;
    this.#document = document;
    this.uri = document.uri;
    this.version = document.version;
    this.text = document.getText();
  }

  /** What may be written in it. */
  get schema(): SchemaNode {
    return isTestFile(this.uri) ? TEST_FILE_SCHEMA : SCHEMA;
  }

  get outline(): Outline {
    this.#outline ??= new Outline(this.text);
    return this.#outline;
  }

  /** What `zproxy check` says; nothing for a document that is no configuration. */
  get diagnostics(): readonly Diagnostic[] {
    this.#diagnostics ??= this.#isConfiguration() ? this.#check() : [];
    return this.#diagnostics;
  }

  #check(): readonly Diagnostic[] {
    const source = { path: this.uri, text: this.text };
    if (!isTestFile(this.uri)) return checkSource(source).diagnostics;
    const beside = this.#beside;
    const checked =
      beside === undefined ? undefined : checkSource({ path: "", text: beside }).checked;
    return checkTestFile(source, checked).diagnostics;
  }

  cursor(position: Position): Cursor | undefined {
    return cursorAt(this.outline, this.text, this.#document.offsetAt(position));
  }

  offset(position: Position): number {
    return this.#document.offsetAt(position);
  }

  range({ start, end }: Span): Range {
    return { start: this.#document.positionAt(start), end: this.#document.positionAt(end) };
  }

  slice({ start, end }: Span): string {
    return this.text.slice(start, end);
  }

  /**
   * Editors hand over every TOML file there is. One that names a schema is ours if it is this one;
   * another is ours unless most of its tables are strange to us.
   */
  #isConfiguration(): boolean {
    const named = SCHEMA_COMMENT.exec(this.text)?.[1];
    if (named !== undefined) return SCHEMA_NAME.test(named);
    const known = Object.keys(SCHEMA.properties ?? {});
    const names = this.outline.locator.keysOf([]);
    const near = names.filter((name) => nearestName(name, known) !== undefined);
    return near.length * 2 >= names.length;
  }
}
