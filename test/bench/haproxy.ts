// HAProxy as the peer: one thread, connections to the backend shared between clients, no log.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestProcess } from "../lib/process.ts";
import {
  type BenchServer,
  freePorts,
  needTool,
  type Surroundings,
  untilListening,
} from "./bench-server.ts";
import { openFilesMax, pinned } from "./machine.ts";
import { PATHS } from "./site.ts";

export async function startHaproxy(around: Surroundings): Promise<BenchServer> {
  const [port] = await freePorts(1);
  mkdirSync(around.folder, { recursive: true });
  const path = join(around.folder, "haproxy.cfg");
  writeFileSync(path, haproxyConfig(around, port));
  const [command, ...args] = [...pinned(around.cpu), needTool("haproxy"), "-db", "-f", path];
  const child = new TestProcess(command, args);
  await untilListening(child, port);
  return {
    name: "haproxy",
    origin: `http://127.0.0.1:${port}`,
    pids: [child.pid],
    process: child,
    stop: async () => void (await child.stop("SIGTERM")),
  };
}

/**
 * Buffers stay at their default of 16 KiB. "no strict-limits" and "ulimit-n": HAProxy reckons with
 * two descriptors a connection and would refuse to start where the limit is 20,000.
 */
function haproxyConfig({ site, backendPort }: Surroundings, port: number): string {
  const fixedReply = `file ${site.root}${PATHS.memoryFile} if { path ${PATHS.memory} }`;
  return `global
  nbthread 1
  maxconn 15000
  no strict-limits
  ulimit-n ${Math.min(openFilesMax(), 40_000)}
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  option forwardfor
frontend bench
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain ${fixedReply}
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend fixed
backend fixed
  http-reuse always
  server one 127.0.0.1:${backendPort}
`;
}
