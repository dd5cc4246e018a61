// The kernel completes a send when a third of the socket's buffer is free, which may be megabytes.
// A client that took longer than 30 s for that was cut off, though it read all the time.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Program } from "zproxy/runtime/data/api.ts";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const WINDOW_BYTES = 3_000_000;
const ANSWER_BYTES = 8_000_000;
const HEAD = `HTTP/1.1 200 OK\r\nContent-Length: ${ANSWER_BYTES}\r\n\r\n`;
const UPGRADE = ["Connection: Upgrade", "Upgrade: some"];
const UPGRADED = `HTTP/1.1 101 Switching Protocols\r\n${UPGRADE.join("\r\n")}\r\n\r\n`;
const SLOW_MS = 250_000;
const SECOND = 1000;

let program: Program;

before(async () => {
  const routes = [
    fileRoute("/stored", "stored"),
    fileRoute("/memory", "stored", ['mode = "memory"']),
    proxyRoute("/", "http://127.0.0.1:9001"),
  ];
  program = await loadHandPlayed(serverSection() + routes.join("\n"));
});

/** A client that has asked and reads nothing by itself. */
function asked(path: string): HandPlayed {
  const content = Buffer.alloc(ANSWER_BYTES, "a");
  const files = new Map([["stored/a", content]]);
  const played = new HandPlayed({ program, files, windowBytes: WINDOW_BYTES });
  const { client } = played;
  client.reads = false;
  client.wire.roomMin = WINDOW_BYTES / 3;
  const isTunnel = path === "/tunnel";
  client.send(request(`GET ${path}`, isTunnel ? UPGRADE : []));
  played.onUpstream = (upstream) => {
    upstream.send(isTunnel ? UPGRADED : HEAD);
    upstream.send("a".repeat(ANSWER_BYTES));
  };
  return played;
}

/** Lets the client read so many bytes a second, until it has had enough of that. */
function readSlowly(played: HandPlayed, bytes: number): void {
  const { client } = played;
  for (let ms = SECOND; ms < SLOW_MS; ms += SECOND) {
    played.at(ms, () => {
      for (let left = bytes; left > 0 && client.wire.readable; ) {
        const piece = client.wire.read(left);
        client.received += Buffer.from(piece).toString("latin1");
        left -= piece.length;
      }
    });
  }
}

/** After how many seconds the server has let go of its client. */
function playUntilGone(played: HandPlayed): number {
  const { world, client } = played;
  let seconds = 0;
  for (let ms = SECOND; ms < SLOW_MS; ms += SECOND) {
    played.at(ms, () => {
      if (seconds === 0 && world.table.clientCount === 0) seconds = ms / SECOND;
    });
  }
  played.at(SLOW_MS, () => client.wire.reset());
  played.play(SLOW_MS + 10 * SECOND);
  return seconds;
}

for (const path of ["/proxied", "/tunnel", "/stored/a", "/memory/a"]) {
  test(`${path}: a client that reads slowly gets all of it`, () => {
    const played = asked(path);
    const { client } = played;
    readSlowly(played, 20_000); // 50 s for what a send waits for
    played.at(SLOW_MS, () => client.readOn());
    played.at(SLOW_MS + SECOND, () => client.wire.reset());
    played.play(SLOW_MS + 10 * SECOND);
    const body = client.received.slice(client.received.indexOf("\r\n\r\n") + 4);
    assert.equal(body.length, ANSWER_BYTES);
  });

  for (const [name, bytes] of [
    ["nothing", 0],
    ["next to nothing", 500],
  ] as const) {
    test(`${path}: one that reads ${name} is let go`, () => {
      const played = asked(path);
      readSlowly(played, bytes);
      const seconds = playUntilGone(played);
      assert.ok(seconds >= 45 && seconds <= 80, `after ${seconds} s`);
    });
  }
}
