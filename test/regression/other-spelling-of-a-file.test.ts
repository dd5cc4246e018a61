// A route's rules were passed by with another spelling of a file's name. "//admin/x" is no path
// below "/admin", so the route of "/" took it, and found the same file: several slashes are one to
// a file system, and an escape is what it stands for.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer } from "../lib/server.ts";

const DENIED = ['denied_ips = ["0.0.0.0/0"]'];

function makeSite(folder: string): void {
  for (const name of ["admin", "@team", "a[b]", "open"]) {
    mkdirSync(join(folder, "site", name), { recursive: true });
    writeFileSync(join(folder, "site", name, "x.txt"), name);
  }
}

for (const mode of ["sendfile", "memory"]) {
  test(`${mode}: no spelling of a file's name leads around its route's rules`, async () => {
    const settings = [`mode = "${mode}"`];
    const routes = [
      fileRoute("/", "site", settings),
      fileRoute("/admin", "site/admin", settings, DENIED),
      fileRoute("/@team", "site/@team", settings, DENIED),
      fileRoute("/a%5Bb%5D", "site/a[b]", settings, DENIED),
    ];
    const text = serverSection() + routes.join("\n");
    const server = await startServer(text, { prepare: makeSite });
    const statusOf = async (target: string): Promise<number> =>
      (await exchange(server.port, request(`GET ${target}`))).status;
    try {
      for (const path of ["/admin/x.txt", "/@team/x.txt", "/a%5bb%5d/x.txt"])
        assert.equal(await statusOf(path), 403, path);
      for (const path of ["//admin/x.txt", "/.//admin//x.txt", "/%40team/x.txt", "/a[b]/x.txt"])
        assert.equal(await statusOf(path), 404, path);
      for (const path of ["/open/x.txt", "//open///x.txt", "/%40team/../open/x.txt"])
        assert.equal(await statusOf(path), 200, path);
    } finally {
      await server.stop();
    }
  });
}
