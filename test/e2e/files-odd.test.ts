// Files that are not plain and files that change: names, links, pipes and sockets, growing and
// shrinking while being sent, sizes beyond 32 bits, replaced and deleted under a server that keeps
// them open for a moment.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, header } from "../lib/answer.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { runProcess, TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { compileConfig, startServer, type TestServer } from "../lib/server.ts";
import { sizedBytes } from "../lib/upstreams.ts";

const GIB = 2 ** 30;
const HUGE_BYTES = 10 * GIB;
/** What a socket and its peer buffer is less than this, so that a sender must stop in between. */
const LONG_BYTES = 24 * 2 ** 20;
const PATIENCE_MS = 10_000;

/** Writes markers into a sparse file, where 32 bits end and elsewhere. */
function writeHuge(path: string): void {
  const file = openSync(path, "w");
  ftruncateSync(file, HUGE_BYTES);
  for (const at of [0, 2 * GIB - 2, 4 * GIB - 2, 6 * GIB, HUGE_BYTES - 4])
    writeSync(file, "mark", at);
  closeSync(file);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what);
    await sleep(20);
  }
}

/** Asks for a file and reads nothing of it yet. */
function askSlowly(port: number, text: string): Socket {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {}); // a reset is an end as well
  socket.pause();
  socket.write(text);
  return socket;
}

/** The answer's head, and how many bytes of body follow before the connection ends. */
async function readRest(socket: Socket): Promise<{ head: string; bodyBytes: number }> {
  let head = "";
  let bodyBytes = 0;
  socket.on("data", (bytes) => {
    const headEnd = bodyBytes === 0 && head === "" ? bytes.indexOf("\r\n\r\n") + 4 : 0;
    head += bytes.toString("latin1", 0, headEnd);
    bodyBytes += bytes.length - headEnd;
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  await closed;
  return { head, bodyBytes };
}

for (const mode of ["sendfile", "memory"]) {
  describe(`odd names, mode ${mode}`, () => {
    let folder: string;
    let server: TestServer;
    let socket: Server;

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
      const site = join(folder, "site");
      mkdirSync(join(site, "sub/.well-known"), { recursive: true });
      mkdirSync(join(folder, "outside"));
      writeFileSync(join(folder, "outside/secret.txt"), "secret");
      writeFileSync(join(site, "grün ß.txt"), "utf-8");
      writeFileSync(Buffer.concat([Buffer.from(join(site, "raw")), Buffer.from([0xff])]), "bytes");
      writeFileSync(join(site, "100%.txt"), "percent");
      writeFileSync(join(site, "a+b&c;d=e.txt"), "signs");
      writeFileSync(join(site, "sub/.well-known/.dot"), "dot");
      symlinkSync("sub/.well-known", join(site, "inside"));
      symlinkSync("../site", join(site, "sub/around"));
      symlinkSync("../outside/secret.txt", join(site, "escape.txt"));
      symlinkSync("../outside", join(site, "escape"));
      symlinkSync("nothing", join(site, "dangling"));
      symlinkSync("loop", join(site, "loop"));
      const pipe = await runProcess("mkfifo", [join(site, "pipe")]);
      assert.ok(pipe.ok, pipe.stderr);
      socket = createServer().listen(join(site, "socket"));
      const device = await runProcess("mknod", [join(site, "device"), "c", "1", "5"]);
      assert.ok(device.ok, device.stderr);
      server = await startServer(serverSection() + fileRoute("/", site, [`mode = "${mode}"`]));
    });

    after(async () => {
      socket.close();
      await server.stop();
      rmSync(folder, { recursive: true });
    });

    const get = (target: string): Promise<Answer> =>
      exchange(server.port, request(`GET ${target}`));

    for (const [target, content] of [
      ["/gr%C3%BCn%20%c3%9f.txt", "utf-8"],
      ["/raw%FF", "bytes"],
      ["/100%25.txt", "percent"],
      ["/a+b&c;d=e.txt", "signs"],
      ["/sub/.well-known/.dot", "dot"],
      ["//sub//.well-known/.dot", "dot"],
      ["/inside/.dot", "dot"],
    ] as const) {
      test(`${target} is found`, async () => {
        const answer = await get(target);
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), content);
      });
    }

    for (const target of ["/sub", "/sub/", "/", "/dangling", "/100%25.txt/", "/inside/.dot/x"]) {
      test(`${target} is 404`, async () => {
        assert.equal((await get(target)).status, 404);
      });
    }

    for (const target of ["/pipe", "/socket", "/device", "/escape.txt", "/loop"]) {
      test(`${target} is 403, at once`, async () => {
        assert.equal((await get(target)).status, 403);
      });
    }

    test("a link out of the root leads nowhere", async () => {
      const answer = await get("/escape/secret.txt");
      assert.ok([403, 404].includes(answer.status));
      assert.ok(!answer.body.includes("secret"));
    });
  });
}

describe("files that change", () => {
  let folder: string;
  let site: string;
  let server: TestServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
    site = join(folder, "site");
    mkdirSync(site);
    writeHuge(join(site, "huge.bin"));
    server = await startServer(serverSection() + fileRoute("/", site));
  });

  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const get = (target: string, fields: readonly string[] = []): Promise<Answer> =>
    exchange(server.port, request(`GET ${target}`, fields));

  /** Descriptors of the server that are open on files of this site. */
  function held(): string[] {
    const fds = `/proc/${server.pid}/fd`;
    const targets: string[] = [];
    for (const fd of readdirSync(fds)) {
      try {
        targets.push(readlinkSync(join(fds, fd)));
      } catch {
        // closed since the folder was read
      }
    }
    return targets.filter((target) => target.startsWith(`${site}/`));
  }

  test("ten GiB have their length, and parts anywhere", async () => {
    const head = await exchange(server.port, request("HEAD /huge.bin"));
    assert.equal(header(head, "content-length"), String(HUGE_BYTES));
    for (const at of [0, 2 * GIB - 2, 4 * GIB - 2, 6 * GIB, HUGE_BYTES - 4]) {
      const answer = await get("/huge.bin", [`Range: bytes=${at}-${at + 3}`]);
      assert.equal(answer.status, 206);
      assert.equal(answer.body.toString(), "mark", String(at));
      assert.equal(header(answer, "content-range"), `bytes ${at}-${at + 3}/${HUGE_BYTES}`);
      const long = await get("/huge.bin", [`Range: bytes=${Math.max(at - 50_000, 0)}-${at + 3}`]);
      assert.equal(long.body.subarray(-4).toString(), "mark");
    }
    const parts = await get("/huge.bin", [`Range: bytes=${6 * GIB}-${6 * GIB + 3},-4`]);
    assert.equal(parts.body.toString("latin1").split("\r\n\r\nmark\r\n--").length, 3);
  });

  test("a long part goes on beyond 32 bits", async () => {
    const range = ["-r", `${4 * GIB - LONG_BYTES}-${4 * GIB + LONG_BYTES - 1}`];
    const output = join(folder, "part");
    const args = ["-sS", "-o", output, ...range, `${server.url}/huge.bin`];
    const part = await runProcess("curl", args);
    assert.ok(part.ok, part.stderr);
    const content = readFileSync(output);
    assert.equal(content.length, 2 * LONG_BYTES);
    assert.equal(content.indexOf("mark"), LONG_BYTES - 2);
    assert.equal(content.lastIndexOf("mark"), LONG_BYTES - 2);
  });

  test("a whole file arrives whole beyond 31 bits", async () => {
    truncateSync(join(site, "huge.bin"), 2 * GIB + LONG_BYTES);
    const args = ["-sS", "-o", "/dev/null", "-w", "%{size_download}", `${server.url}/huge.bin`];
    const whole = await runProcess("curl", args);
    assert.equal(whole.stdout, String(2 * GIB + LONG_BYTES), whole.stderr);
    writeHuge(join(site, "huge.bin"));
  });

  test("a file that grows is sent as long as it was", async () => {
    const path = join(site, "growing.bin");
    writeFileSync(path, Buffer.from(sizedBytes(LONG_BYTES, 5)));
    const socket = askSlowly(server.port, request("GET /growing.bin", ["Connection: close"]));
    await until("the file is open", () => held().includes(path));
    appendFileSync(path, "more");
    const { head, bodyBytes } = await readRest(socket);
    assert.equal(bodyBytes, LONG_BYTES);
    assert.ok(head.includes(`\r\nContent-Length: ${LONG_BYTES}\r\n`), head);
    const later = await exchange(server.port, request("HEAD /growing.bin"));
    assert.equal(header(later, "content-length"), String(LONG_BYTES + 4));
    rmSync(path);
  });

  test("a file that shrinks ends the connection", async () => {
    const path = join(site, "shrinking.bin");
    writeFileSync(path, Buffer.from(sizedBytes(LONG_BYTES, 5)));
    const socket = askSlowly(server.port, request("GET /shrinking.bin"));
    await until("the file is open", () => held().includes(path));
    truncateSync(path, 1000);
    const { head, bodyBytes } = await readRest(socket);
    assert.ok(head.includes(`\r\nContent-Length: ${LONG_BYTES}\r\n`), head);
    assert.ok(bodyBytes < LONG_BYTES);
    rmSync(path);
  });

  test("a file written in place is seen at once", async () => {
    const path = join(site, "written.txt");
    for (let round = 0; round < 20; round++) {
      writeFileSync(path, `round ${round}`);
      utimesSync(path, 1_600_000_000, 1_600_000_000 + round);
      for (let again = 0; again < 3; again++)
        assert.equal((await get("/written.txt")).body.toString(), `round ${round}`);
    }
  });

  test("a file that is replaced, deleted and made again is seen within a second", async () => {
    const path = join(site, "replaced.txt");
    const text = async (): Promise<string> => (await get("/replaced.txt")).body.toString();
    writeFileSync(path, "old");
    assert.equal(await text(), "old");
    writeFileSync(`${path}.new`, "new");
    renameSync(`${path}.new`, path);
    await until("the new file is not seen", async () => (await text()) === "new");
    unlinkSync(path);
    await until("still there", async () => (await get("/replaced.txt")).status === 404);
    writeFileSync(path, "again");
    assert.equal(await text(), "again"); // that a file is missing is not remembered
  });

  test("what nobody asks for is closed soon", async () => {
    const path = join(site, "closed.txt");
    writeFileSync(path, "text");
    await get("/closed.txt");
    assert.ok(held().includes(path));
    await until("still open", () => held().length === 0);
  });

  test("more files than are kept open, with answers under way", async () => {
    const count = 1_300;
    mkdirSync(join(site, "many"));
    for (let at = 0; at < count; at++) writeFileSync(join(site, "many", `${at}.txt`), `text ${at}`);
    const slow = askSlowly(server.port, request("GET /huge.bin"));
    const client = await RawClient.connect(server.port);
    for (let at = 0; at < count; at++) {
      await client.send(request(`GET /many/${at}.txt`) + request(`GET /many/${at}.txt`));
      assert.equal((await client.answer()).body.toString(), `text ${at}`);
      assert.equal((await client.answer()).body.toString(), `text ${at}`);
      if (at % 100 === 99) assert.ok(held().length <= 1_025, `${held().length} open`);
    }
    client.close();
    slow.destroy();
    rmSync(join(site, "many"), { recursive: true });
  });
});

test("a download under way is finished when the server stops", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
  writeFileSync(join(folder, "long.bin"), Buffer.from(sizedBytes(LONG_BYTES, 9)));
  writeFileSync(join(folder, "short.txt"), "short");
  const server = await startServer(serverSection() + fileRoute("/", folder));
  try {
    const socket = askSlowly(server.port, request("GET /long.bin"));
    const { port } = server;
    await exchange(port, request("GET /short.txt")); // kept open, and closed by the stop
    const stopped = server.process.stop("SIGTERM");
    const { bodyBytes } = await readRest(socket);
    assert.equal(bodyBytes, LONG_BYTES);
    assert.deepEqual(await stopped, { code: 0, signal: null });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
});

/** Whether this user may read what nobody may. */
const IS_SUPERUSER = process.getuid?.() === 0;
const NOBODY = ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath];

test("what the server's user may not read is 403", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-site-"));
  mkdirSync(join(folder, "closed"));
  writeFileSync(join(folder, "open.txt"), "open");
  writeFileSync(join(folder, "private.txt"), "private");
  writeFileSync(join(folder, "closed/file.txt"), "private");
  chmodSync(folder, 0o755);
  chmodSync(join(folder, "private.txt"), 0);
  const compiled = await compileConfig(
    serverSection() + fileRoute("/", folder) + fileRoute("/m", folder, ['mode = "memory"']),
  );
  chmodSync(compiled, 0o755);
  chmodSync(join(folder, "closed"), 0);
  const [command, ...args] = IS_SUPERUSER ? ["setpriv", ...NOBODY] : [process.execPath];
  const child = new TestProcess(command as string, [...args, "dist/server.cjs"], { cwd: compiled });
  try {
    const port = await child.until("the ready line", () => {
      const [, found] = /listening on .*:(\d+)$/m.exec(child.stdout) ?? [];
      return found === undefined ? undefined : Number(found);
    });
    const statusOf = async (target: string): Promise<number> =>
      (await exchange(port, request(`GET ${target}`))).status;
    for (const prefix of ["", "/m"]) {
      assert.equal(await statusOf(`${prefix}/open.txt`), 200);
      assert.equal(await statusOf(`${prefix}/private.txt`), 403);
      assert.equal(await statusOf(`${prefix}/closed`), 403);
    }
    assert.equal(await statusOf("/closed/file.txt"), 403);
  } finally {
    await child.stop("SIGTERM");
    chmodSync(join(folder, "closed"), 0o755);
    rmSync(folder, { recursive: true });
    rmSync(compiled, { recursive: true });
  }
});
