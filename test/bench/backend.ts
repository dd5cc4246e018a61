// What stands behind the proxies: `backend.c`, whose answers cost so little that the proxy is the
// limit; or nginx, for a look at how much that matters.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestProcess } from "../lib/process.ts";
import { type BenchServer, buildProgram, untilListening } from "./bench-server.ts";
import { pinned } from "./machine.ts";
import { startNginxBackend } from "./nginx.ts";
import type { BackendName } from "./options.ts";
import { bodyOf, PATHS, type Site } from "./site.ts";

/** The fixed replies behind the proxies, on each of `ports`. */
export async function startBackend(
  name: BackendName,
  site: Site,
  folder: string,
  cpu: number,
  ports: readonly number[],
): Promise<BenchServer> {
  mkdirSync(folder, { recursive: true });
  if (name === "nginx") return startNginxBackend(site, folder, cpu, ports);
  const program = await buildProgram("backend", folder);
  const answers = [PATHS.proxySmall, PATHS.proxyLarge].flatMap((path, index) => {
    const file = join(folder, `answer-${index}`);
    writeFileSync(file, answerOf(bodyOf(site, path)));
    return [path, file];
  });
  const [command, ...args] = [...pinned(cpu), program, ports.join(","), ...answers];
  const child = new TestProcess(command, args);
  for (const port of ports) await untilListening(child, port);
  return {
    name: "backend",
    origin: `http://127.0.0.1:${ports[0]}`,
    pids: [child.pid],
    process: child,
    stop: async () => void (await child.stop("SIGTERM")),
  };
}

/** Head and body, with the header fields that nginx sends. */
function answerOf(body: Buffer): Buffer {
  const head = `HTTP/1.1 200 OK
Server: backend/1.0.0
Date: ${new Date().toUTCString()}
Content-Type: text/plain
Content-Length: ${body.length}
Connection: keep-alive

`;
  return Buffer.concat([Buffer.from(head.replaceAll("\n", "\r\n")), body]);
}
