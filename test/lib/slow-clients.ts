// Clients that give or take a byte a second, in the head, in the body, and in reading the answer.

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, readAnswer } from "./answer.ts";
import { proxyRoute, serverSection } from "./config.ts";
import { residentKib } from "./process.ts";
import { exchange, request } from "./raw-client.ts";
import { startServer } from "./server.ts";
import { sizedBytes, startUpstream } from "./upstreams.ts";

/** More than the socket buffers take that nobody reads from. */
const ANSWER_BYTES = 600_000;
/** Those who are slow here are not late. */
const PATIENT = ["client_header_timeout_secs = 300", "client_body_timeout_secs = 300"];
const SECOND_MS = 1000;
const BATCH = 99;
const WARM_REQUESTS = 200;
const REQUESTS_A_SECOND = 20;

export interface SlowResult {
  /** Growth of the server's resident memory, at most. */
  readonly grownKib: number;
  readonly buffersInUse: number;
  /** Normal requests that were answered meanwhile. */
  readonly answered: number;
  /**
   * Milliseconds that normal requests took, in ascending order: without slow clients, before and
   * after them, and with. They are made in one rhythm, so that they can be compared.
   */
  readonly timesWithout: readonly number[];
  readonly timesWith: readonly number[];
}

class SlowClient {
  readonly #socket: Socket;
  readonly #text: string;
  #sent: number;
  #reads: boolean;
  #received: Buffer[] = [];
  #ended = false;

  /** `quick` bytes of the text go out at once. */
  constructor(socket: Socket, text: string, quick: number, reads: boolean) {
    this.#socket = socket;
    this.#text = text;
    this.#sent = quick;
    this.#reads = reads;
    socket.write(text.slice(0, quick));
    socket.on("error", () => {});
    socket.on("end", () => {
      this.#ended = true;
    });
    if (reads) this.#readAll();
  }

  #readAll(): void {
    this.#socket.on("data", (bytes) => this.#received.push(bytes)).resume();
  }

  /** One byte, in whichever direction it is slow. */
  tick(): void {
    if (this.#sent < this.#text.length) this.#socket.write(this.#text[this.#sent++] as string);
    else if (!this.#reads) {
      const byte = this.#socket.read(1) as Buffer | null;
      if (byte !== null) this.#received.push(byte);
    }
  }

  /** Sends and reads all that is left; returns the answer. */
  async hurry(): Promise<Answer> {
    this.#socket.write(this.#text.slice(this.#sent));
    if (!this.#reads) this.#readAll();
    this.#reads = true;
    for (let tries = 0; tries < 2000; tries++) {
      const read = readAnswer(Buffer.concat(this.#received), "GET", this.#ended);
      if (read !== undefined) return read.answer;
      await sleep(20);
    }
    throw new Error("no answer");
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Makes a normal request; returns how long it took. */
async function timeRequest(port: number, seed: number): Promise<number> {
  const start = performance.now();
  const answer = await exchange(port, request(`GET /app/bytes/1000?seed=${seed}`));
  const time = performance.now() - start;
  assert.deepEqual(answer.body, Buffer.from(sizedBytes(1000, seed)));
  return time;
}

/** Normal requests for a second, each behind what `before` does; returns how long they took. */
async function timeSecond(port: number, before: (share: number) => void): Promise<number[]> {
  const times: number[] = [];
  for (let share = 0; share < REQUESTS_A_SECOND; share++) {
    const next = sleep(SECOND_MS / REQUESTS_A_SECOND);
    before(share);
    times.push(await timeRequest(port, share));
    await next;
  }
  return times;
}

async function timeSeconds(port: number, seconds: number): Promise<number[]> {
  const times: number[] = [];
  for (let second = 0; second < seconds; second++)
    times.push(...(await timeSecond(port, () => {})));
  return times;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.pause();
    socket.once("connect", () => resolve(socket)).once("error", reject);
  });
}

/** A third of each kind; what kind says what it is slow at. */
function slowClient(socket: Socket, index: number): SlowClient {
  const head = request("GET /app/bytes/10", [`X-Long: ${"y".repeat(600)}`]);
  const body = request("POST /app", ["Content-Length: 600"], "b".repeat(600));
  if (index % 3 === 0) return new SlowClient(socket, head, 20, true);
  if (index % 3 === 1) return new SlowClient(socket, body, body.length - 550, true);
  const text = request(`GET /app/bytes/${ANSWER_BYTES}?seed=3`);
  return new SlowClient(socket, text, text.length, false);
}

/**
 * Opens so many slow clients, lets them go on for some seconds while normal requests are made, then
 * lets all of them come to their end, and checks what they got. `secondsWithout`: for how long
 * normal requests are made before and after, for comparison.
 */
export async function runSlowClients(
  count: number,
  seconds: number,
  secondsWithout = 0,
): Promise<SlowResult> {
  const upstream = await startUpstream();
  const server = await startServer(serverSection() + proxyRoute("/app", upstream.url, PATIENT));
  const clients: SlowClient[] = [];
  try {
    for (let index = 0; index < WARM_REQUESTS; index++) await timeRequest(server.port, index);
    const timesWithout = await timeSeconds(server.port, secondsWithout);
    const before = residentKib(server.pid);
    while (clients.length < count) {
      const sockets = await Promise.all(Array.from({ length: BATCH }, () => open(server.port)));
      const requests = upstream.requests();
      for (const socket of sockets) clients.push(slowClient(socket, clients.length));
      // All but those who are slow in the head; more at once would overflow the upstream's backlog.
      while (upstream.requests() < requests + Math.floor((BATCH * 2) / 3)) await sleep(5);
    }
    let grownKib = 0;
    let buffersInUse = 0;
    const timesWith: number[] = [];
    for (let second = 0; second < seconds; second++) {
      // Slow clients do not move in step: each request meets its share of them.
      const times = await timeSecond(server.port, (share) => {
        for (let at = share; at < clients.length; at += REQUESTS_A_SECOND) clients[at]!.tick();
      });
      timesWith.push(...times);
      const { workers } = await server.stats();
      buffersInUse = Math.max(buffersInUse, workers[0]?.buffersInUse ?? 0);
      grownKib = Math.max(grownKib, residentKib(server.pid) - before);
    }
    const large = Buffer.from(sizedBytes(ANSWER_BYTES, 3));
    const finish = async (client: SlowClient, index: number) => {
      const { status, body } = await client.hurry();
      assert.equal(status, 200, `client ${index}`);
      if (index % 3 === 2) assert.ok(large.equals(body), `client ${index}`);
      client.close();
    };
    for (let first = 0; first < count; first += BATCH) {
      const batch = clients.slice(first, first + BATCH);
      await Promise.all(batch.map((client, at) => finish(client, first + at)));
    }
    timesWithout.push(...(await timeSeconds(server.port, secondsWithout)));
    const answered = timesWith.length;
    for (const times of [timesWithout, timesWith]) times.sort((left, right) => left - right);
    return { grownKib, buffersInUse, answered, timesWithout, timesWith };
  } finally {
    for (const client of clients) client.close();
    await upstream.stop();
    await server.stop();
  }
}
