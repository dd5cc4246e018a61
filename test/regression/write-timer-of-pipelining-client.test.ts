// A client that stopped reading while its next request was already here lost its write timer to
// that request. Its upstream's timer waited for the client in turn, and the exchange stayed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileRoute, proxyRoute, serverSection } from "../lib/config.ts";
import { request } from "../lib/raw-client.ts";
import { HandPlayed, loadHandPlayed } from "../simulation/hand-played.ts";

const FILE_BYTES = 6000;
/** The first answer and a part of the second one's head fit: two segments stay in the queue. */
const WINDOW_BYTES = 6400;

test("a client that stops reading is let go, whatever it has asked for next", async () => {
  const config =
    serverSection() +
    fileRoute("/files", "stored", ['mode = "memory"']) +
    proxyRoute("/", "http://127.0.0.1:9001");
  const program = await loadHandPlayed(config);
  const files = new Map([["stored/a.txt", Buffer.alloc(FILE_BYTES, "a")]]);
  const played = new HandPlayed({ program, files, windowBytes: WINDOW_BYTES });
  const { client } = played;
  client.reads = false;
  const file = request("GET /files/a.txt");
  client.send(file + file);
  played.at(10, () => client.send(request("GET /next")));
  played.at(20, () => played.upstreams[0]!.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  let clientsLeft = -1;
  played.at(190_000, () => {
    clientsLeft = played.world.table.clientCount;
    client.wire.reset();
  });
  played.play(200_000);
  assert.equal(played.upstreams.length, 1, "the third request was under way");
  assert.equal(clientsLeft, 0);
});
