// logging.level: what is less important is left out, and a reload changes what that is.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { alone, hangUp, install, reload, startFor } from "../lib/reload.ts";
import { compileConfig } from "../lib/server.ts";

const config = (level: string, prefix: string, channelSize: number) =>
  `${serverSection()}[logging]\nlevel = "${level}"\nchannel_size = ${channelSize}\n` +
  fileRoute(prefix, "/usr");

test("warn hides info, a reload brings it back, and off is silent", async (t) => {
  const server = await startFor(t, config("warn", "/", 8));
  assert.equal(server.log(), "", "nothing of the start");
  // What is set at start alone is worth a warning.
  await reload(server, config("info", "/", 9));
  assert.match(server.log(), /"level":40.*logging\.channel_size has changed/);
  assert.match(server.log(), /"level":30.*zproxy reloaded, generation 2/);
  await alone(server);

  const before = server.log();
  const folder = await compileConfig(config("off", "/new", 9));
  install(server, folder);
  rmSync(folder, { recursive: true });
  hangUp(server);
  const isNew = async () =>
    (await exchange(server.port, request("GET /new/bin/env"))).status === 200;
  while (!(await isNew())) await sleep(20);
  await alone(server);
  assert.equal(server.log(), before);
  await server.stop();
  assert.equal(server.log(), before);
});
