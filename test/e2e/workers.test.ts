// Several workers behind one port, and groups of upstream servers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { EINVAL } from "../../native/abi.ts";
import { loadAddon } from "../../runtime/native.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { startWithFaults } from "../lib/faults.ts";
import { TestProcess } from "../lib/process.ts";
import { exchange, RawClient, request } from "../lib/raw-client.ts";
import { compileConfig, startServer, type TestServer } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { closedPort, type Echo, startUpstream, type Upstream } from "../lib/upstreams.ts";

/** A group and the route to it; `servers` are TOML values. */
function group(name: string, servers: readonly string[]): string {
  const table = `[upstreams.${name}]\nservers = [${servers.join(", ")}]\n`;
  return `${table}[path_routes."*"."/${name}"]\ntype = "Proxy"\nupstream = "${name}"\n`;
}

describe("two workers", () => {
  let upstreams: Upstream[];
  let server: TestServer;

  before(async () => {
    upstreams = await Promise.all(["a", "b", "c"].map((name) => startUpstream(name)));
    const urls = upstreams.map(({ url }) => `"${url}"`);
    const dead = [await closedPort(), await closedPort()]
      .map((port) => `"http://127.0.0.1:${port}"`)
      .sort();
    const groups = [
      group("all", urls),
      group("partly", [...dead, urls[0] ?? ""]),
      group("dead", dead),
    ];
    server = await startServer(serverSection(2) + groups.join("\n"));
  });

  after(async () => {
    for (const upstream of upstreams) await upstream.stop();
    await server.stop();
  });

  async function serverOf(target: string, method = "GET"): Promise<string> {
    const answer = await exchange(server.port, request(`${method} ${target}`));
    assert.equal(answer.status, 200, answer.body.toString());
    return (JSON.parse(answer.body.toString()) as Echo).server;
  }

  test("the kernel spreads connections over both", async () => {
    const clients = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const client = await RawClient.connect(server.port);
        await client.send(request("GET /all"));
        assert.equal((await client.answer()).status, 200);
        return client;
      }),
    );
    const { workers } = await server.stats();
    const counts = workers.map(({ connections }) => connections);
    assert.equal(counts.length, 2);
    assert.equal((counts[0] ?? 0) + (counts[1] ?? 0), 64);
    assert.ok(
      counts.every((count) => count > 0),
      `spread ${counts}`,
    );
    for (const client of clients) client.close();
  });

  test("round robin has one cursor over all workers", async () => {
    const counts = new Map<string, number>();
    for (let round = 0; round < 30; round++) {
      const name = await serverOf("/all");
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.deepEqual([...counts].sort(), [
      ["a", 10],
      ["b", 10],
      ["c", 10],
    ]);
  });

  test("a server that refuses is passed over, for a request of which nothing was sent", async () => {
    for (const method of ["GET", "DELETE"]) {
      for (let round = 0; round < 12; round++) {
        assert.equal(await serverOf("/partly", method), "a");
      }
    }
  });

  test("502 when all servers refuse", async () => {
    for (let round = 0; round < 4; round++) {
      assert.equal((await exchange(server.port, request("GET /dead"))).status, 502);
    }
  });
});

describe("two listeners", () => {
  /** Asks each of them from its own family, often enough to meet both workers. */
  async function askBoth(listen: readonly string[]): Promise<void> {
    const upstream = await startUpstream();
    const config = `[server]\nlisten = ${JSON.stringify(listen)}\nthreads = 2\n`;
    const route = `[path_routes."*"."/"]\ntype = "Proxy"\nurl = "${upstream.url}"\n`;
    const server = await startServer(config + route, { listeners: 2 });
    try {
      for (const [index, host] of ["127.0.0.1", "::1"].entries()) {
        for (let round = 0; round < 12; round++) {
          const client = await RawClient.connect(server.ports[index] ?? 0, host);
          await client.send(request("GET /"));
          const answer = await client.answer();
          assert.equal(answer.status, 200);
          const echo = JSON.parse(answer.body.toString()) as Echo;
          assert.equal(echo.headers["x-forwarded-for"], host);
          client.close();
        }
      }
    } finally {
      await upstream.stop();
      await server.stop();
    }
  }

  test("both are served", () => askBoth(["127.0.0.1:0", "[::1]:0"]));

  test("all addresses of both families, on one port", async () => {
    const port = await closedPort();
    await askBoth([`0.0.0.0:${port}`, `[::]:${port}`]);
  });

  test("an address that is taken, and one that is not here, are told as they are written", async () => {
    const other = createServer().listen(0, "::1").unref();
    await once(other, "listening");
    const taken = `[::1]:${(other.address() as AddressInfo).port}`;
    const start = (listen: string) =>
      startServer(`[server]\nlisten = "${listen}"\n${fileRoute("/", "/usr")}`);
    const told = async (listen: string, sentence: string) =>
      assert.rejects(start(listen), ({ message }: Error) => message.includes(sentence));
    await told(taken, `${taken} is in use; stop the other server`);
    await told("192.0.2.1:80", "192.0.2.1:80: this machine has no such address");
    other.close();
  });
});

describe("threads", () => {
  /** For each thread of a server, the CPUs it may run on. */
  function cpusOf({ pid }: TestServer): string[] {
    return readdirSync(`/proc/${pid}/task`).map((task) => {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
      return /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)![1]!;
    });
  }

  test("each worker stays on one CPU, in turn over those that there are", async () => {
    const config = (threads: number) => serverSection(threads) + fileRoute("/", "/usr");
    const allowed = loadAddon(resolve("native/build/Release/zproxy.node")).allowedCpus();
    const server = await startServer(config(allowed.length * 2));
    const lists = cpusOf(server);
    for (const cpu of allowed) {
      const here = lists.filter((list) => list === String(cpu)).length;
      // With a single CPU, all other threads are on it as well.
      assert.ok(allowed.length > 1 ? here === 2 : here > 2, `CPU ${cpu}, of threads on ${lists}`);
    }
    await server.stop();
  });

  test("one that can't be kept on its CPU says so, and serves", async () => {
    const env = { ZPROXY_FAULT_RESULTS: JSON.stringify({ pinThread: -EINVAL }) };
    const faults = await startWithFaults(serverSection() + fileRoute("/", "/usr"), { env });
    const { server } = faults;
    const said = /"level":40.*worker 0: can't stay on CPU \d+ \(errno 22\)/;
    await server.process.until("the warning", () => said.exec(server.log()) ?? undefined);
    assert.equal((await exchange(server.port, request("GET /none"))).status, 404);
    await faults.stop();
  });

  test("the server may open as many files as the hard limit lets it", async (t) => {
    const prlimit = requireTool(t, "prlimit");
    if (prlimit === undefined) return;
    const folder = await compileConfig(serverSection() + fileRoute("/", "/usr"));
    const args = ["--nofile=256:4096", process.execPath, "dist/server.cjs"];
    const child = new TestProcess(prlimit, args, { cwd: folder });
    await child.until("a listener", () => /listening/.exec(child.stdout) ?? undefined);
    const limits = readFileSync(`/proc/${child.pid}/limits`, "utf8");
    assert.match(limits, /^Max open files\s+4096\s+4096\s/m);
    await child.stop();
    rmSync(folder, { recursive: true });
  });
});
