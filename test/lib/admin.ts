// The administrator's pages of a server under test.

import assert from "node:assert/strict";
import type { TestServer } from "./server.ts";

/** The section of a configuration that switches them on. */
export const ADMIN = '[admin]\nlisten = "127.0.0.1:0"\n';
export const ADMIN_URL = /metrics and probes are at (http:\/\/[^"]+)/;

export interface Page {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

export async function pageOf(server: TestServer, path: string, method = "GET"): Promise<Page> {
  const url = await server.process.until("the admin URL", () => ADMIN_URL.exec(server.log())?.[1]);
  const response = await fetch(`${url}${path}`, { method, headers: { connection: "close" } });
  const type = response.headers.get("content-type");
  return { status: response.status, type, text: await response.text() };
}

/** The samples of /metrics by name and labels. */
export async function samplesOf(server: TestServer): Promise<Map<string, number>> {
  const { text } = await pageOf(server, "/metrics");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = lines.map((line): [string, number] => {
    const space = line.lastIndexOf(" ");
    return [line.slice(0, space), Number(line.slice(space + 1))];
  });
  assert.equal(new Set(samples.map(([name]) => name)).size, samples.length, "each sample once");
  return new Map(samples);
}
