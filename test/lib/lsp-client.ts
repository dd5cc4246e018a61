// An editor, as far as a language server can tell: JSON-RPC over the standard streams of a process.

import { type ChildProcess, spawn } from "node:child_process";
import { patience } from "./patience.ts";
import { COMMAND } from "./server.ts";

const PATIENCE_MS = patience(20_000);

export interface LspPosition {
  readonly line: number;
  readonly character: number;
}

export interface LspRange {
  readonly start: LspPosition;
  readonly end: LspPosition;
}

export interface LspDiagnostic {
  readonly range: LspRange;
  readonly severity: number;
  readonly code: string;
  readonly codeDescription: { readonly href: string };
  readonly message: string;
  readonly tags?: readonly number[];
  readonly relatedInformation?: readonly {
    readonly location: { readonly uri: string; readonly range: LspRange };
    readonly message: string;
  }[];
}

export interface LspItem {
  readonly label: string;
  readonly filterText: string;
  readonly textEdit: { readonly range: LspRange; readonly newText: string };
  readonly documentation?: { readonly value: string };
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { uri: string; version?: number; diagnostics: LspDiagnostic[] };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** What most editors say about themselves. */
const ABILITIES = {
  textDocument: {
    publishDiagnostics: { relatedInformation: true },
    completion: { completionItem: { snippetSupport: true } },
    hover: { contentFormat: ["markdown", "plaintext"] },
  },
};

export class LspClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (e: Error) => void }
  >();
  readonly #diagnostics = new Map<string, LspDiagnostic[]>();
  readonly #exited: Promise<number | null>;
  #wakers: (() => void)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #lastId = 0;
  stderr = "";
  /** Anything on standard output that is no message would break an editor. */
  noise = "";

  constructor(args: readonly string[] = ["--stdio"]) {
    this.#child = spawn(process.execPath, [COMMAND, "lsp", ...args]);
    this.#child.stdout!.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.#child.stderr!.on("data", (bytes: Buffer) => {
      this.stderr += bytes.toString();
    });
    // Writing to a server that has gone is a failure of the request, told by its timeout.
    this.#child.stdin!.on("error", () => {});
    const onExit = (): void => this.kill();
    process.once("exit", onExit);
    this.#exited = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        process.removeListener("exit", onExit);
        resolve(code);
      });
    });
  }

  async initialize(capabilities: object = ABILITIES): Promise<Record<string, unknown>> {
    const result = await this.request("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities,
    });
    this.notify("initialized", {});
    return result as Record<string, unknown>;
  }

  request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    this.#send({ jsonrpc: "2.0", id, method, params });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${method} was not answered\n${this.stderr}`)),
        PATIENCE_MS,
      );
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          then(value);
        };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  notify(method: string, params: unknown): void {
    this.#send({ jsonrpc: "2.0", method, params });
  }

  open(uri: string, text: string): void {
    const textDocument = { uri, languageId: "toml", version: 1, text };
    this.notify("textDocument/didOpen", { textDocument });
  }

  change(uri: string, version: number, contentChanges: readonly object[]): void {
    this.notify("textDocument/didChange", { textDocument: { uri, version }, contentChanges });
  }

  close(uri: string): void {
    this.notify("textDocument/didClose", { textDocument: { uri } });
  }

  /** What was published for a version of a document; waits for it. */
  async diagnostics(uri: string, version: number | "closed" = 1): Promise<LspDiagnostic[]> {
    const key = `${uri} ${version}`;
    const deadline = Date.now() + PATIENCE_MS;
    while (!this.#diagnostics.has(key)) {
      if (Date.now() > deadline) throw new Error(`no diagnostics for ${key}\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#wakers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#diagnostics.get(key)!;
  }

  /** Says goodbye as the protocol wants it; returns the exit status. */
  async stop(): Promise<number | null> {
    await this.request("shutdown", null);
    this.notify("exit", null);
    return this.exited();
  }

  /** Goes away without a word. */
  hangUp(): Promise<number | null> {
    this.#child.stdin!.end();
    return this.exited();
  }

  /** Ends a server that a failed test has left behind. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  exited(): Promise<number | null> {
    return this.#exited;
  }

  #send(message: object): void {
    const body = Buffer.from(JSON.stringify(message));
    this.#child.stdin!.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.#child.stdin!.write(body);
  }

  #receive(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const headEnd = this.#bytes.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const head = this.#bytes.subarray(0, headEnd).toString();
      const length = /Content-Length: (\d+)/.exec(head)?.[1];
      if (length === undefined || !head.startsWith("Content-Length")) {
        this.noise += head;
        return;
      }
      const end = headEnd + 4 + Number(length);
      if (this.#bytes.length < end) return;
      this.#take(JSON.parse(this.#bytes.subarray(headEnd + 4, end).toString()));
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #take({ id, method, params, result, error }: Answer): void {
    if (method === "textDocument/publishDiagnostics" && params !== undefined) {
      this.#diagnostics.set(`${params.uri} ${params.version ?? "closed"}`, params.diagnostics);
      for (const wake of this.#wakers.splice(0)) wake();
    }
    if (id === undefined || method !== undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error.message));
  }
}
