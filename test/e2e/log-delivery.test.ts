// Every request has its record in the log, or is counted among the dropped ones: through rotation
// and reopening, at shutdown, after a crash, with a destination that is full or does not move.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { fileRoute, serverSection } from "../lib/config.ts";
import { startWithFaults } from "../lib/faults.ts";
import { TestProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import { compileConfig, startServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";

const REQUESTS = 3000;
const CONNECTIONS = 10;

interface LogLine {
  readonly msg: string;
  readonly path?: string;
  readonly dropped?: number;
}

function config(logging: readonly string[], threads = 1): string {
  const lines = ["[logging]", "access_log = true", ...logging, ""].join("\n");
  return serverSection(threads) + lines + fileRoute("/", "site.txt", ['mode = "memory"']);
}

/** Some requests over several connections, each with a path of its own; all are answered. */
async function ask(port: number, count: number, name = "r"): Promise<void> {
  const one = async (connection: number) => {
    const client = await RawClient.connect(port);
    for (let index = connection; index < count; index += CONNECTIONS) {
      await client.send(request(`GET /?${name}${index}`));
      assert.equal((await client.answer()).status, 200);
    }
    client.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => one(index)));
}

function linesOf(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** The paths of requests in a log. */
function requestsIn(text: string): string[] {
  return linesOf(text).flatMap(({ msg, path }) => (msg === "request" ? [path ?? ""] : []));
}

function droppedIn(text: string): number {
  return linesOf(text).reduce((sum, { dropped }) => sum + (dropped ?? 0), 0);
}

function assertComplete(logged: readonly string[], count: number, name = "r"): void {
  const expected = Array.from({ length: count }, (_, index) => `/?${name}${index}`);
  assert.deepEqual([...logged].sort(), expected.sort(), "each request has exactly one record");
}

test("rotation and reopening lose no record, and the last five files are kept", async () => {
  const size = 200_000;
  const toml = config(
    [`file_path = "zproxy.log"`, `max_log_size = ${size}`, "flush_interval_ms = 3"],
    2,
  );
  const server = await startServer(toml, { prepare });
  const path = (name: string) => join(server.folder, name);
  try {
    const moved: string[] = [];
    const asked = ask(server.port, REQUESTS);
    for (let round = 0; round < 5; round++) {
      await server.stats();
      const name = `moved-${round}`;
      if (!existsSync(path("zproxy.log"))) continue; // just being rotated
      renameSync(path("zproxy.log"), path(name));
      moved.push(name);
      server.process.kill("SIGUSR1");
    }
    await asked;
    await server.settled();
    const rotated = readdirSync(server.folder).filter((name) => /^zproxy\.log\.\d$/.test(name));
    const dist = await stopKeeping(server.process);
    assert.equal(dist, 0);
    const names = [...moved, ...rotated, "zproxy.log"];
    const texts = names.map((name) => readFileSync(path(name), "utf8"));
    for (const name of names) {
      // A file that was moved away still takes what was on its way.
      if (!moved.includes(name)) assert.ok(statSync(path(name)).size <= size, name);
    }
    assertComplete(texts.flatMap(requestsIn), REQUESTS);
    assert.equal(droppedIn(texts.join("")), 0);
    assert.ok(rotated.length >= 1 && rotated.length <= 5, `${rotated}`);
  } finally {
    await server.stop();
  }
});

test("at most five rotated files", async () => {
  const toml = config(['file_path = "zproxy.log"', "max_log_size = 5000", "flush_interval_ms = 1"]);
  const server = await startServer(toml, { prepare });
  try {
    await ask(server.port, 1000);
    await server.settled();
    const names = () =>
      readdirSync(server.folder)
        .filter((name) => name.startsWith("zproxy.log"))
        .sort();
    const all = ["", ".1", ".2", ".3", ".4", ".5"].map((end) => `zproxy.log${end}`);
    // The last records may still be on their way, and a rotation with them.
    for (let turn = 0; turn < 100 && !isDeepStrictEqual(names(), all); turn++) await sleep(50);
    assert.deepEqual(names(), all);
  } finally {
    await server.stop();
  }
});

test("what is logged before a stop is written, however long the interval", async () => {
  const toml = config(['file_path = "zproxy.log"', "flush_interval_ms = 3600000"], 2);
  const server = await startServer(toml, { prepare });
  try {
    await ask(server.port, 500);
    assert.equal(await stopKeeping(server.process), 0);
    const text = readFileSync(join(server.folder, "zproxy.log"), "utf8");
    assertComplete(requestsIn(text), 500);
    assert.match(text, /"msg":"zproxy has stopped"\}\n$/);
  } finally {
    await server.stop();
  }
});

test("the records of a worker that died are written", async () => {
  const toml = config(['file_path = "zproxy.log"', "flush_interval_ms = 3600000"]);
  const faults = await startWithFaults(toml, { prepare });
  try {
    const { server } = faults;
    await ask(server.port, 200, "before");
    await faults.crash(0);
    await ask(server.port, 200, "after");
    assert.equal(await stopKeeping(server.process), 0);
    const text = readFileSync(join(server.folder, "zproxy.log"), "utf8");
    const logged = requestsIn(text);
    assertComplete(
      logged.filter((path) => path.includes("before")),
      200,
      "before",
    );
    assertComplete(
      logged.filter((path) => path.includes("after")),
      200,
      "after",
    );
    const died = text.indexOf("has died");
    assert.ok(text.indexOf("/?before199") < died && died < text.indexOf("/?after0"));
  } finally {
    await faults.stop();
  }
});

test("a full disk: traffic goes on, and so does the end", async () => {
  const toml = config(['file_path = "/dev/full"', "channel_size = 50", "flush_interval_ms = 1"]);
  const server = await startServer(toml, { prepare });
  try {
    await ask(server.port, REQUESTS);
    await server.settled();
  } finally {
    await server.stop();
  }
});

test("a disk that is full for a while: what is not written is counted to the last one", async (t) => {
  const ballast = 3 << 20;
  const toml = config([
    'file_path = "log/zproxy.log"',
    "channel_size = 300",
    "flush_interval_ms = 2",
    "max_log_size = 0",
  ]);
  let mounted = false;
  const server = await startServer(toml, {
    prepare: (folder) => {
      prepare(folder);
      mkdirSync(join(folder, "log"));
      const size = `size=${ballast + (1 << 18)}`;
      const mount = spawnSync("mount", ["-t", "tmpfs", "-o", size, "tmpfs", join(folder, "log")]);
      mounted = mount.status === 0;
    },
  });
  const log = join(server.folder, "log");
  try {
    if (!mounted) return t.skip("needs root to mount a small disk");
    writeFileSync(join(log, "ballast"), Buffer.alloc(ballast));
    // More than the disk, the writer's memory and the workers' rings hold together.
    const name = "long".repeat(250);
    const count = 6000;
    await ask(server.port, count, name);
    rmSync(join(log, "ballast"));
    await ask(server.port, 10, "late");
    assert.equal(await stopKeeping(server.process), 0);
    const text = readFileSync(join(log, "zproxy.log"), "utf8");
    const logged = requestsIn(text);
    const dropped = droppedIn(text);
    assert.ok(dropped > 1000, `${dropped} dropped`);
    assert.equal(logged.length + dropped, count + 10);
    assert.equal(new Set(logged).size, logged.length);
  } finally {
    if (mounted) spawnSync("umount", [log]);
    await server.stop();
  }
});

/** A server whose standard error is a pipe that nobody reads until the test does. */
async function startUnread(
  toml: string,
): Promise<{ child: ChildProcess; port: number; folder: string }> {
  const folder = await compileConfig(toml, prepare);
  const child = spawn(process.execPath, ["dist/server.cjs"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  let text = "";
  for await (const piece of child.stdout!) {
    text += piece;
    const port = /listening on http:\/\/.*:(\d+)\n/.exec(text)?.[1];
    if (port !== undefined) return { child, port: Number(port), folder };
  }
  throw new Error(`the server ended: ${text}`);
}

test("a named pipe that nobody reads: no start, and no wait when it is opened again", async () => {
  const pipe = (folder: string): string => join(folder, "log");
  const makePipe = (folder: string): void => {
    assert.equal(spawnSync("mkfifo", [pipe(folder)]).status, 0);
  };
  const folder = await compileConfig(config(['file_path = "log"']), makePipe);
  writeFileSync(join(folder, "site.txt"), "x");
  const start = () => new TestProcess(process.execPath, ["dist/server.cjs"], { cwd: folder });
  const alone = start();
  assert.equal((await alone.exited()).code, 1);
  assert.match(alone.stderr, /can't open the log file: ENXIO/);

  const reader = openSync(pipe(folder), constants.O_RDONLY | constants.O_NONBLOCK);
  const server = start();
  await server.until("a line", () => /listening/.test(server.stdout) || undefined);
  closeSync(reader);
  server.kill("SIGUSR1");
  assert.equal((await server.stop("SIGTERM")).code, 0);
  rmSync(folder, { recursive: true });
});

test("a blocked pipe: traffic goes on, what is not written is counted to the last one", async () => {
  // Long paths, so that the pipe and what may wait for it are full soon.
  const name = "long".repeat(250);
  const count = 6000;
  const { child, port, folder } = await startUnread(
    config(["channel_size = 300", "flush_interval_ms = 2"]),
  );
  try {
    await ask(port, count, name);
    let text = "";
    const all = once(child, "close");
    child.stderr!.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    await ask(port, 10, "late");
    child.kill("SIGTERM");
    assert.deepEqual(await all, [0, null]);
    const logged = requestsIn(text);
    const dropped = droppedIn(text);
    assert.ok(dropped > 1000, `${dropped} dropped`);
    assert.equal(logged.length + dropped, count + 10);
    assert.equal(new Set(logged).size, logged.length);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test("a reader of standard output that goes away takes nothing along", async () => {
  const { child, port, folder } = await startUnread(config(["flush_interval_ms = 2"]));
  try {
    child.stdout!.destroy();
    let log = "";
    child.stderr!.setEncoding("utf8").on("data", (piece: string) => {
      log += piece;
    });
    for (const [round, address] of ["127.0.0.2", "127.0.0.3"].entries()) {
      const toml = config([]).replace('"127.0.0.1:0"', `["127.0.0.1:0", "${address}:0"]`);
      const next = await compileConfig(toml, prepare);
      rmSync(join(folder, "dist"), { recursive: true });
      renameSync(join(next, "dist"), join(folder, "dist"));
      rmSync(next, { recursive: true });
      child.kill("SIGHUP");
      const reloads = () => log.split(/zproxy reloaded/).length - 1;
      while (reloads() <= round && child.exitCode === null) await sleep(5);
    }
    await ask(port, 10);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test("a blocked pipe does not keep the server from ending", async () => {
  const { child, port, folder } = await startUnread(config(["flush_interval_ms = 2"]));
  try {
    await ask(port, 600, "long".repeat(100));
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});

test("on a terminal, records are lines for people", async (context) => {
  const script = requireTool(context, "script");
  if (script === undefined) return;
  const folder = await compileConfig(config(["flush_interval_ms = 5"]), prepare);
  const command = `${process.execPath} dist/server.cjs`;
  const child = new TestProcess(script, ["-qec", command, "/dev/null"], { cwd: folder });
  try {
    const port = await child.until("the ready line", () => {
      return /listening on http:\/\/.*:(\d+)/.exec(child.stdout)?.[1];
    });
    await ask(Number(port), 1, "pretty");
    const line = await child.until(
      "the record",
      () => /.*request client.*/.exec(child.stdout)?.[0],
    );
    assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}request client=127\.0\.0\.1 method=GET /);
    assert.match(line, / path=\/\?pretty0 status=200 bytes=\d+ duration_ms=[\d.]+ route=/);
  } finally {
    await child.stop("SIGTERM");
    rmSync(folder, { recursive: true });
  }
});

function prepare(folder: string): void {
  writeFileSync(join(folder, "site.txt"), "x");
}

/** Stops a server whose folder is still looked at. Returns the exit code. */
async function stopKeeping(child: TestProcess): Promise<number | null> {
  return (await child.stop("SIGTERM")).code;
}
