// An error in the check of a document, which a timer starts, ended the language server, and with it
// all that the editor knew of every other document.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import {
  createConnection,
  createProtocolConnection,
  type LogMessageParams,
  type PublishDiagnosticsParams,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { LanguageServer } from "zproxy/compiler/lsp/server.ts";

const URI = "file:///somewhere/config.toml";
const GOOD = '[server]\nlisten = "127.0.0.1:8080"\n';

/** Stands for a mistake in the compiler that this document brings to light. */
const FAULT = "# fault";

const faulty = {
  create: (...args: Parameters<typeof TextDocument.create>): TextDocument => {
    const document = TextDocument.create(...args);
    const getText = document.getText.bind(document);
    document.getText = (range) => {
      if (getText().includes(FAULT)) throw new TypeError("a mistake in the program");
      return getText(range);
    };
    return document;
  },
  update: TextDocument.update,
};

test("a check that throws is told to the editor, and the next one is made", async () => {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  const documents = new TextDocuments(faulty);
  new LanguageServer(createConnection(toServer, toClient), documents, "", "0").listen();
  const client = createProtocolConnection(
    new StreamMessageReader(toClient),
    new StreamMessageWriter(toServer),
  );
  const heard = new EventEmitter();
  client.onNotification("window/logMessage", (params: LogMessageParams) => {
    heard.emit("log", params);
  });
  client.onNotification("textDocument/publishDiagnostics", (params: PublishDiagnosticsParams) => {
    heard.emit("diagnostics", params);
  });
  client.listen();
  await client.sendRequest("initialize", { processId: null, rootUri: null, capabilities: {} });
  const next = async <T>(event: string, method: string, params: object): Promise<T> => {
    const found = once(heard, event, { signal: AbortSignal.timeout(10_000) });
    await client.sendNotification(method, params);
    return (await found)[0] as T;
  };
  const change = <T>(event: string, version: number, text: string): Promise<T> => {
    const textDocument = { uri: URI, version };
    return next(event, "textDocument/didChange", { textDocument, contentChanges: [{ text }] });
  };

  const textDocument = { uri: URI, languageId: "toml", version: 1, text: GOOD };
  await next("diagnostics", "textDocument/didOpen", { textDocument });
  const { type, message } = await change<LogMessageParams>("log", 2, GOOD + FAULT);
  assert.equal(type, 1);
  assert.match(message, /^zproxy could not check file:.*config\.toml: TypeError: a mistake/);
  const wrong = GOOD.replace("listen", "listn");
  const found = await change<PublishDiagnosticsParams>("diagnostics", 3, wrong);
  assert.equal(found.version, 3);
  assert.ok(found.diagnostics.some(({ code }) => code === "schema/unknown-key"));
  client.dispose();
});
