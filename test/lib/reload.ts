// Reloads of a running server: the next bundle is put in the place of the present one as a whole,
// as `zproxy compile` does it, and SIGHUP asks for it.

import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { patience } from "./patience.ts";
import { type RawClient, request } from "./raw-client.ts";
import { compileConfig, type ServerOptions, startServer, type TestServer } from "./server.ts";

const RELOADED = /zproxy reloaded/;
/** What the log says of a reload that comes to nothing: an error, which a test has to expect. */
export const REFUSED = /not reloaded, the server goes on as it was/;

/** A server that does not outlive a test that fails. */
export async function startFor(
  context: TestContext,
  toml: string,
  options: ServerOptions = {},
): Promise<TestServer> {
  const server = await startServer(toml, options);
  context.after(() => (server.process.running ? server.process.stop("SIGKILL") : undefined));
  return server;
}

/** Puts a compiled folder in the place of the server's. */
export function install(server: TestServer, compiled: string): void {
  const dist = join(server.folder, "dist");
  cpSync(join(compiled, "dist"), `${dist}-next`, { recursive: true });
  renameSync(dist, `${dist}-old`);
  renameSync(`${dist}-next`, dist);
  rmSync(`${dist}-old`, { recursive: true });
}

/** Does something that ends in one more log line of a kind; returns when it is there. */
export async function until(server: TestServer, pattern: RegExp, act: () => void): Promise<void> {
  const count = () => server.log().split(pattern).length;
  const before = count();
  act();
  await server.process.until(String(pattern), () => count() > before || undefined);
}

export function hangUp(server: TestServer): void {
  server.process.kill("SIGHUP");
}

/** Reloads with what is installed; returns when nothing new goes to earlier workers. */
export async function reloadInstalled(server: TestServer): Promise<void> {
  await until(server, RELOADED, () => hangUp(server));
}

export async function reload(server: TestServer, toml: string): Promise<void> {
  const compiled = await compileConfig(toml);
  install(server, compiled);
  rmSync(compiled, { recursive: true });
  await reloadInstalled(server);
}

/** Tries to; returns when the log says that it was refused. */
export async function reloadInVain(server: TestServer, toml: string): Promise<void> {
  const compiled = await compileConfig(toml);
  install(server, compiled);
  rmSync(compiled, { recursive: true });
  await until(server, REFUSED, () => hangUp(server));
}

/** Generations that still have a worker. */
export async function generations(server: TestServer): Promise<number> {
  await server.stats();
  const line = server.process.stdout.trimEnd().split("\n").at(-1);
  return (JSON.parse(line!) as { generations: number }).generations;
}

/** Waits until the workers of earlier generations have gone, for so long at most. */
export async function alone(server: TestServer, limitMs = 15_000): Promise<void> {
  const deadline = Date.now() + patience(limitMs);
  while ((await generations(server)) > 1) {
    assert.ok(Date.now() < deadline, "an earlier generation stays");
    await sleep(50);
  }
}

/** The status of one more request on a connection. */
export async function status(client: RawClient, target: string): Promise<number> {
  await client.send(request(`GET ${target}`));
  return (await client.answer()).status;
}
