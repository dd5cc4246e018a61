// Memory of idle keep-alive connections: a fresh server is warmed up under load, then clients
// connect, each asks once and goes quiet. A first crowd uses up what the load left lying around;
// what the second crowd adds to resident memory is what idle connections cost.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchServer } from "./bench-server.ts";
import type { Fleet } from "./fleet.ts";
import { openFilesMax, residentBytes } from "./machine.ts";
import type { ServerName } from "./options.ts";
import { type Figure, median, type Row, spreadPercent } from "./row.ts";
import { PATHS } from "./site.ts";
import { runWrk, wrkProblems } from "./wrk.ts";

/** More than were ever open at the same time during the warm-up. */
const FIRST_CROWD = 256;
const WARM_CONNECTIONS = 64;
const AT_ONCE = 32;
const SETTLE_MS = 500;
const ANSWER_PATIENCE_MS = 10_000;
/** Descriptors a server needs beside its clients' connections: files, upstream pool, its own. */
const SPARE_FILES = 1_000;
const SPREAD_PERCENT_MAX = 30;

export interface IdleRun {
  readonly name: string;
  readonly connections: number;
  readonly repeats: number;
  readonly warmupSeconds: number;
}

export async function runIdleCase(
  fleet: Fleet,
  servers: readonly ServerName[],
  run: IdleRun,
): Promise<Row> {
  const { name } = run;
  const title = `resident memory of ${run.connections} idle connections, one proxied request each`;
  if (run.connections > openFilesMax() - SPARE_FILES) {
    const invalid = [`the limit of open files (${openFilesMax()}) is too low; raise it`];
    return { name, title, figures: [], ratios: [], noise: [], invalid, raw: [] };
  }
  const raw: { label: string; bytes: number[] }[] = servers.map((label) => ({ label, bytes: [] }));
  const invalid: string[] = [];
  for (let repeat = 0; repeat < run.repeats; repeat++) {
    for (const { label, bytes } of repeat % 2 === 0 ? raw : [...raw].reverse()) {
      const server = await fleet.start(label as ServerName);
      try {
        bytes.push(await idleBytes(fleet, server, run));
      } catch (error) {
        invalid.push(`${label}: ${(error as Error).message}`);
      }
      await fleet.stop(server);
    }
  }
  const measured = raw.filter(({ bytes }) => bytes.length > 0);
  const noise = measured
    .filter(({ bytes }) => bytes.length > 1 && spreadPercent(bytes) > SPREAD_PERCENT_MAX)
    .map(
      ({ label, bytes }) => `repeats of ${label} lie ${spreadPercent(bytes).toFixed(0)} % apart`,
    );
  const figures: Figure[] = measured.map(({ label, bytes }) => {
    return { label, metrics: { bytesPerConnection: median(bytes) } };
  });
  return { name, title, figures, ratios: [], noise, invalid, raw };
}

/** Bytes of resident memory that one idle connection adds. */
async function idleBytes(fleet: Fleet, server: BenchServer, run: IdleRun): Promise<number> {
  const url = `${server.origin}${PATHS.proxySmall}`;
  const warm = {
    url,
    connections: WARM_CONNECTIONS,
    seconds: Math.max(1, run.warmupSeconds),
    mode: ["fixed"],
  };
  const problems = wrkProblems(await runWrk(fleet.plan.load, warm));
  if (problems.length > 0) throw new Error(problems.join(", "));
  const sockets: Socket[] = [];
  try {
    await openCrowd(server, sockets, FIRST_CROWD);
    const before = residentBytes(server.pids);
    await openCrowd(server, sockets, run.connections);
    const after = residentBytes(server.pids);
    const lost = sockets.filter((socket) => socket.destroyed || socket.readableEnded).length;
    if (lost > 0) throw new Error(`${lost} connections were closed instead of kept`);
    return (after - before) / run.connections;
  } finally {
    // A reset leaves no TIME_WAIT behind, of which ten thousand would eat the client's ports.
    for (const socket of sockets) socket.resetAndDestroy();
  }
}

/** Opens `count` more connections, each of which asks once, and lets the server settle. */
async function openCrowd(server: BenchServer, sockets: Socket[], count: number): Promise<void> {
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - opened) }, () =>
      openOne(server.origin, PATHS.proxySmall),
    );
    sockets.push(...(await Promise.all(some)));
  }
  await sleep(SETTLE_MS);
}

/** A connection that has asked once and has its answer. Rejects for anything but a whole 200. */
async function openOne(origin: string, path: string): Promise<Socket> {
  const { hostname, port, host } = new URL(origin);
  const socket = connect(Number(port), hostname).setNoDelay(true);
  await once(socket, "connect");
  const answered = new Promise<void>((resolve, reject) => {
    let text = "";
    socket.setEncoding("latin1").on("data", (part) => {
      text += String(part);
      const headEnd = text.indexOf("\r\n\r\n");
      const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
      if (headEnd < 0 || length === undefined) return;
      if (text.length < headEnd + 4 + Number(length)) return;
      if (text.startsWith("HTTP/1.1 200 ")) resolve();
      else reject(new Error(`unexpected answer: ${text.slice(0, 40)}`));
    });
    socket.once("error", reject).once("end", () => reject(new Error("connection closed")));
    socket.setTimeout(ANSWER_PATIENCE_MS, () => reject(new Error("no answer in time")));
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await answered;
  socket.setTimeout(0);
  return socket;
}
