// zproxy lsp: what the compiler knows, in an editor.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LanguageServer } from "../lsp/server.ts";
import { packageRoot, packageVersion } from "../package-root.ts";
import { type Command, EXIT_OK, parseArguments, UsageError } from "./command.ts";

export const lspCommand: Command = {
  summary: "serve editors: diagnostics, hover, completion",
  help: `zproxy lsp [--stdio]

A language server for configurations, for editors to start. It speaks the Language Server Protocol
on standard input and output: diagnostics as in "zproxy check" while you type, explanations,
completion, the layout of "zproxy fmt", and fixes.

  --stdio    allowed, because editors pass it

Exit status: 0 the editor said goodbye, 1 it went without.
`,
  async run(args) {
    const { positionals } = parseArguments(args, {
      stdio: { type: "boolean", default: true },
      clientProcessId: { type: "string" },
    });
    if (positionals.length > 0) throw new UsageError("lsp takes no file; the editor sends them");
    // Loaded here, because every other command would start a quarter of a second later.
    const { createConnection, TextDocuments } = await import("vscode-languageserver/node");
    const { TextDocument } = await import("vscode-languageserver-textdocument");
    const root = packageRoot(import.meta.url);
    const codes = pathToFileURL(join(root, "compiler", "diagnostics", "CODES.md")).href;
    const connection = createConnection(process.stdin, process.stdout);
    const documents = new TextDocuments(TextDocument);
    const ended = new Promise<void>((resolve) => {
      connection.onExit(resolve);
    });
    new LanguageServer(connection, documents, codes, packageVersion(root)).listen();
    await ended;
    return EXIT_OK;
  },
};
