// Handshakes of a real client that are cut off after any number of its bytes, in its first flight
// or in its second: the server must hold nothing of them afterwards.

import { once } from "node:events";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { request } from "./raw-client.ts";
import type { TestServer } from "./server.ts";
import { Wire } from "./wire.ts";

const AT_ONCE = 16;

/** What the client is to do when nothing cuts it off, and how many bytes it says then. */
export interface Handshake {
  readonly name: string;
  readonly options: ConnectionOptions;
  readonly bytes: number;
}

function shake(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  socket.on("error", () => {});
  return socket;
}

/** A session that the server resumes. */
async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = shake(port, options);
  const session = once(socket, "session");
  socket.write(request("GET /none"));
  socket.resume();
  const [made] = (await session) as [Buffer];
  socket.destroy();
  return made;
}

/** A handshake that is not cut off, through a relay that counts. */
async function measure(port: number, options: ConnectionOptions): Promise<number> {
  const wire = await Wire.start(port);
  const socket = shake(wire.port, options);
  await once(socket, "secureConnect");
  if (socket.isSessionReused() !== (options.session !== undefined))
    throw new Error("a session is resumed, or not, against expectation");
  // What the client says last is on its way by now, and may not have come.
  let bytes = -1;
  while (bytes !== wire.sent.length) {
    bytes = wire.sent.length;
    await new Promise(setImmediate);
  }
  socket.destroy();
  await wire.stop();
  return bytes;
}

/** Both versions, with and without a session to resume. */
export async function handshakesWith(server: TestServer): Promise<Handshake[]> {
  const all: Handshake[] = [];
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const session = await sessionOf(server.port, { maxVersion });
    for (const options of [{ maxVersion }, { maxVersion, session }]) {
      const name = `${maxVersion}${"session" in options ? ", resumed" : ""}`;
      all.push({ name, options, bytes: await measure(server.port, options) });
    }
  }
  return all;
}

/** Cuts one off after `at` bytes, by FIN or by RST; returns when the server has ended it. */
async function abort(port: number, options: ConnectionOptions, at: number, resets: boolean) {
  let passed = 0;
  const wire = await Wire.start(port, (held) => {
    const piece = held.subarray(0, at - passed);
    if (passed <= at && passed + held.length >= at) setImmediate(() => wire.endInjected(resets));
    passed += held.length;
    return passed - held.length < at ? [piece] : [];
  });
  const socket = shake(wire.port, options);
  await new Promise((resolve) => socket.once("close", resolve));
  await wire.stop();
}

/**
 * Aborts `count` handshakes, those of each kind after 0, `step`, 2 * `step`… bytes and then from
 * the beginning again; sixteen at a time, each third of them by RST.
 */
export async function abortHandshakes(
  server: TestServer,
  handshakes: readonly Handshake[],
  count: number,
  step = 1,
  onDone: (done: number) => void = () => {},
): Promise<void> {
  const cuts = handshakes.flatMap(({ options, bytes }) =>
    Array.from({ length: Math.ceil(bytes / step) }, (_, index) => ({ options, at: index * step })),
  );
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      const { options, at } = cuts[index % cuts.length]!;
      // Each byte gets both endings when they come again.
      const resets = (index + Math.floor(index / cuts.length)) % 3 === 0;
      await abort(server.port, options, at, resets);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
