// What a health check's answer says is its status. However much comes behind it, the check lets go
// of its connection when it has seen enough, not when its time is up.

import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { serverSection } from "../lib/config.ts";
import { startServer } from "../lib/server.ts";

/** Far beyond what this test waits. */
const TIMEOUT_SECS = 300;
const PATIENCE_MS = 10_000;
const MEBIBYTE = Buffer.alloc(1 << 20, "x");

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "/length": (response) => {
    response.writeHead(200, { "content-length": 1 << 30 });
    response.write(MEBIBYTE);
  },
  "/chunks": (response) => {
    response.writeHead(200);
    response.write(MEBIBYTE);
  },
  "/close": (response) => {
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { connection: "close" });
    response.write(MEBIBYTE);
  },
};

for (const [path, answer] of Object.entries(ANSWERS)) {
  test(`a body without end, by ${path.slice(1)}`, async (t) => {
    const sockets = new Set<Socket>();
    let checks = 0;
    const http = createServer((_request, response) => {
      checks++;
      answer(response);
    });
    http.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const check = `path = "${path}"\ninterval_secs = ${TIMEOUT_SECS}\ntimeout_secs = ${TIMEOUT_SECS}\n`;
    const group = `[upstreams.u]\nservers = ["${url}"]\n[upstreams.u.health_check]\n${check}`;
    const route = `[path_routes."*"."/"]\ntype = "Proxy"\nupstream = "u"\n`;
    const server = await startServer(serverSection() + group + route);
    t.after(async () => {
      http.close();
      for (const socket of sockets) socket.destroy();
      await server.process.stop("SIGTERM");
    });
    const deadline = Date.now() + PATIENCE_MS;
    while (checks === 0 || sockets.size > 0) {
      assert.ok(Date.now() < deadline, `${checks} checks, ${sockets.size} connections held`);
      await sleep(10);
    }
    assert.doesNotMatch(server.log(), /unhealthy/);
  });
}
