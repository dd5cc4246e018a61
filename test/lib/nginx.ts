// A real nginx on a free port, in a folder of its own, for tests that want a server not our own.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TestProcess } from "./process.ts";
import { closedPort } from "./upstreams.ts";

export interface Nginx {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts nginx with one server that holds the given directives; waits until it accepts. */
export async function startNginx(program: string, serverDirectives: string): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "zproxy-nginx-"));
  const port = await closedPort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join("\n  ");
  const lines = [
    // As root the workers must be able to read what the test wrote.
    process.getuid?.() === 0 ? "user root;" : "",
    "daemon off;",
    `pid ${folder}/nginx.pid;`,
    "error_log stderr warn;",
    "events { worker_connections 1024; }",
    "http {",
    "  access_log off;",
    `  ${temporary}`,
    `  server { listen 127.0.0.1:${port} reuseport; ${serverDirectives} }`,
    "}",
    "",
  ];
  writeFileSync(join(folder, "nginx.conf"), lines.join("\n"));
  const nginx = new TestProcess(program, ["-p", folder, "-c", join(folder, "nginx.conf")]);
  while (!(await accepts(port))) {
    if (!nginx.running) throw new Error(`nginx did not start:\n${nginx.output}`);
    await sleep(20);
  }
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    pid: nginx.pid,
    async stop() {
      await nginx.stop("SIGTERM");
      rmSync(folder, { recursive: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
