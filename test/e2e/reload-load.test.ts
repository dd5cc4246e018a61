// Reloads under steady load, plain and over TLS, on connections that stay and on new ones: nobody
// notices, nothing stays behind, and what is refused in between disturbs nobody either.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority, LOCAL_NAMES, tlsSection } from "../lib/certificates.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { residentKib, TestProcess } from "../lib/process.ts";
import { RawClient, request } from "../lib/raw-client.ts";
import {
  alone,
  hangUp,
  install,
  REFUSED,
  reloadInstalled,
  startFor,
  status,
  until,
} from "../lib/reload.ts";
import { compileConfig } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";
import { startUpstream } from "../lib/upstreams.ts";

const RELOADS = 20;
const STEADY_CLIENTS = 4;
/** Reloads until allocators and compilers have what they keep; then so many are a sample. */
const SETTLED_AFTER = 5;
const SAMPLE = 5;
/** How far memory may be above its level after so many reloads more. */
const GROWTH_MAX = 1.1;
const NAMES = ["a", "b", "c"];

let authority: Authority;
before(() => {
  authority = new Authority();
});
after(() => authority.remove());

/** Clients that ask one request after the other on a connection that has to last. */
class Steady {
  answers = 0;
  readonly #clients: Promise<void>[];
  #running = true;

  constructor(connect: () => Promise<RawClient>) {
    this.#clients = Array.from({ length: STEADY_CLIENTS }, async (_, at) => {
      const client = await connect();
      for (; this.#running; this.answers++) {
        assert.equal(await status(client, at % 2 === 0 ? "/app/bytes/9" : "/file"), 200);
        await sleep(at);
      }
      client.close();
    });
    // What goes wrong is told by `stop`, and must not end the process before.
    for (const client of this.#clients) client.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }
}

for (const scheme of ["http", "https"]) {
  test(`${RELOADS} reloads under load, ${scheme}: no request fails, no connection breaks`, async (t) => {
    const wrk = requireTool(t, "wrk");
    if (wrk === undefined) return;
    const upstream = await startUpstream();
    const tls = scheme === "http" ? "" : tlsSection(authority.issue({ names: LOCAL_NAMES }));
    const config = (name: string) =>
      serverSection(2) +
      tls +
      proxyRoute("/app", upstream.url) +
      fileRoute("/file", "/etc/hostname") +
      proxyRoute(`/${name}`, upstream.url);
    const compiled = await Promise.all(NAMES.map((name) => compileConfig(config(name))));
    const broken = await compileConfig(config("a") + fileRoute("/broken", "/no/such/folder"));
    const server = await startFor(t, config("start"), { expectedErrors: [REFUSED] });
    const connect = () =>
      scheme === "http" ? RawClient.connect(server.port) : RawClient.connectTls(server.port);
    const load = (path: string, ...more: string[]) => {
      const url = `${scheme}://127.0.0.1:${server.port}${path}`;
      return new TestProcess(wrk, ["-t1", "-c4", "-d600", "--timeout", "60s", ...more, url]);
    };
    const loads = [
      load("/app/bytes/100"),
      load("/file"),
      load("/app/bytes/100", "-H", "Connection: close"),
      load("/file", "-H", "Connection: close"),
    ];
    const steady = new Steady(connect);
    const sizes: number[] = [];
    for (let round = 0; round < RELOADS; round++) {
      const name = NAMES[round % NAMES.length]!;
      const seen = steady.answers;
      install(server, compiled[round % NAMES.length]!);
      await reloadInstalled(server);
      const client = await connect();
      await client.send(request(`GET /${name}/bytes/1`));
      assert.equal((await client.answer()).status, 200);
      client.close();
      if (round === RELOADS / 2) {
        install(server, broken);
        await until(server, REFUSED, () => hangUp(server));
      }
      while (steady.answers < seen + 2 * STEADY_CLIENTS) await sleep(5);
      await alone(server);
      sizes.push(residentKib(server.pid));
    }
    await steady.stop();
    for (const it of loads) {
      const { code } = await it.stop("SIGINT");
      assert.equal(code, 0, it.output);
      assert.doesNotMatch(it.stdout, /Socket errors|Non-2xx/, it.stdout);
      const requests = Number(/(\d+) requests in/.exec(it.stdout)?.[1]);
      assert.ok(requests > RELOADS, it.stdout);
    }
    // The lowest: what a collector has not got to yet is no growth.
    const settledKib = Math.min(...sizes.slice(SETTLED_AFTER, SETTLED_AFTER + SAMPLE));
    const endKib = Math.min(...sizes.slice(-SAMPLE));
    t.diagnostic(`resident KiB: ${sizes.join(" ")}`);
    assert.ok(endKib < settledKib * GROWTH_MAX, `resident KiB: ${sizes.join(" ")}`);
    for (const folder of [...compiled, broken]) rmSync(folder, { recursive: true });
    await upstream.stop();
    await server.stop();
  });
}
