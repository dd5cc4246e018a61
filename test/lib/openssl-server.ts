// `openssl s_server` as a server behind the proxy: it can be told to send new keys in the middle of
// an answer, and it shows all messages.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Certificate } from "./certificates.ts";
import { patience } from "./patience.ts";

const PATIENCE_MS = patience(10_000);

export interface OpensslServer {
  /** What it sends; "K\n" and "k\n" are new keys, with and without the wish for the peer's. */
  tell(text: string): void;
  /** How often its output, with the requests in it, matches. */
  count(pattern: RegExp): number;
  /** Waits until it matches so often. */
  said(pattern: RegExp, times: number): Promise<void>;
  stop(): Promise<unknown>;
}

export async function startOpenssl(port: number, pair: Certificate): Promise<OpensslServer> {
  const target = ["-accept", `127.0.0.1:${port}`, "-tls1_3", "-msg"];
  const args = ["s_server", ...target, "-cert", pair.certPath, "-key", pair.keyPath];
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  const count = (pattern: RegExp) => output.match(pattern)?.length ?? 0;
  const said = async (pattern: RegExp, times: number) => {
    const deadline = Date.now() + PATIENCE_MS;
    while (count(pattern) < times) {
      if (Date.now() > deadline) throw new Error(`not ${times} times ${pattern}:\n${output}`);
      await sleep(5);
    }
  };
  await said(/^ACCEPT$/gm, 1);
  return {
    tell: (text) => child.stdin.write(text),
    count,
    said,
    stop() {
      child.kill();
      return once(child, "close");
    },
  };
}
