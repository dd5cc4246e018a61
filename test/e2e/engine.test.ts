// Which engine serves: io_uring, or epoll where the config says so or the kernel refuses. That both
// serve alike is shown by running every test with ZPROXY_TEST_IO=epoll.

import assert from "node:assert/strict";
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, test } from "node:test";
import { fileRoute, serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { compileConfig } from "../lib/server.ts";

const WITHOUT_IO_URING = resolve("test/lib/without-io-uring.py");

let folder = "";
let server: TestProcess | undefined;

async function start(io: string, ...launcher: string[]): Promise<TestProcess> {
  const config = `${serverSection()}[performance]\nio = "${io}"\n${fileRoute("/", resolve("schema"))}`;
  folder = await compileConfig(config);
  const [command, ...args] = [...launcher, process.execPath, "dist/server.cjs"];
  server = new TestProcess(command as string, args, { cwd: folder });
  return server;
}

/** `start`, with io_uring_setup(2) refused by seccomp. */
function startForbidden(io: string): Promise<TestProcess> {
  return start(io, "python3", WITHOUT_IO_URING);
}

async function portOf(child: TestProcess): Promise<number> {
  return child.until("the ready line", () => {
    const match = /^zproxy listening on .*:(\d+)$/m.exec(child.stdout);
    return match === null ? undefined : Number(match[1]);
  });
}

/** How many rings of the kernel the process has that the bundle made. */
function ringsOf(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // closed since
    }
  });
  return links.filter((link) => link === "anon_inode:[io_uring]").length;
}

async function assertServes(child: TestProcess): Promise<void> {
  const { body } = await exchange(await portOf(child), request("GET /config.schema.json"));
  assert.equal((JSON.parse(body.toString()) as { type: string }).type, "object");
}

afterEach(async () => {
  if (server?.running) await server.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("auto takes io_uring where it is allowed", async () => {
  const child = await start("auto");
  await assertServes(child);
  const auto = ringsOf(child.pid);
  await child.stop("SIGTERM");
  const other = await start("epoll");
  await assertServes(other);
  // libuv may have rings of its own, the same in both.
  assert.equal(auto, ringsOf(other.pid) + 1, "the worker has a ring");
  assert.deepEqual(await other.stop("SIGTERM"), { code: 0, signal: null }, other.output);
});

test("auto takes epoll where io_uring is forbidden, and says why", async () => {
  const child = await startForbidden("auto");
  await assertServes(child);
  await child.until("the warning", () => (child.output.includes("seccomp") ? true : undefined));
  assert.match(
    child.output,
    /io_uring can't be used, epoll serves instead: .* Allow io_uring_setup/,
  );
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
});

test("io_uring does not start where it is forbidden, and says why", async () => {
  const child = await startForbidden("io_uring");
  assert.deepEqual(await child.exited(), { code: 1, signal: null }, child.output);
  assert.match(child.stderr, /zproxy: io_uring can't be used: .*seccomp/);
});
