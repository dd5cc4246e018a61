// TLS connections of the addon, both ends of them in one arena: what one makes the other takes, in
// pieces of any size.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as abi from "../../native/abi.ts";
import { Authority, type Certificate, LOCAL_NAMES } from "../lib/certificates.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { addon, succeed } from "./test-ring.ts";

const OWNER = 80;
const ROOM = 1 << 17;
const ALL = 1 << 20;
const HEADER_BYTES = 5;
/** No descriptor has this number. */
const FD_NOBODY = 2 ** 30;

let authority: Authority;
let certificate: Certificate;
/** Server contexts: TLS 1.2 is allowed in one of them. */
let server: number;
let client: number;

before(() => {
  authority = new Authority();
  certificate = authority.issue({ names: LOCAL_NAMES });
  server = serverContext(certificate);
  client = succeed(addon.tlsContext(false, false));
  assert.equal(addon.tlsRoots(client, Buffer.from(authority.cert), 0), 1);
});

after(() => {
  addon.releaseOwner(OWNER);
  authority.remove();
});

function serverContext({ cert, key }: Certificate): number {
  const context = succeed(addon.tlsContext(true, false));
  succeed(addon.tlsCertificate(context, Buffer.from(cert), 0, Buffer.from(key), 0));
  return context;
}

interface Step {
  readonly result: number;
  readonly used: number;
  readonly output: Buffer;
  readonly plain: Buffer;
  readonly messages: number;
}

/** One end. What the other made waits in `input`. */
class End {
  readonly handle: number;
  input: Buffer = Buffer.alloc(0);
  readonly #memory = new Uint8Array(3 * ROOM);
  readonly #words = new Uint32Array(abi.TLS_WORDS);

  constructor(handle: number) {
    this.handle = succeed(handle);
  }

  /** A step on at most `most` bytes of the input; `content` is sealed. */
  step(op: number, most = ALL, content: Uint8Array = new Uint8Array(0), room = ROOM): Step {
    const words = this.#words;
    const memory = this.#memory;
    const piece = this.input.subarray(0, Math.min(most, ROOM));
    memory.set(piece, 0);
    memory.set(content, 2 * ROOM);
    words[abi.TLS_WORD_OP] = op;
    words[abi.TLS_WORD_HANDLE] = this.handle;
    words[abi.TLS_WORD_INPUT] = 0;
    words[abi.TLS_WORD_INPUT_BYTES] = piece.length;
    words[abi.TLS_WORD_OUTPUT] = ROOM;
    words[abi.TLS_WORD_OUTPUT_BYTES] = Math.min(room, ROOM);
    words[abi.TLS_WORD_PLAIN] = 2 * ROOM;
    words[abi.TLS_WORD_PLAIN_BYTES] = op === abi.TLS_OPEN ? ROOM : content.length;
    words[abi.TLS_WORD_RECORD_BYTES] = 500 + (content.length % 15_000);
    const result = addon.tlsStep(OWNER, memory, 0, words, 0);
    const slice = (at: number, bytes: number) => Buffer.from(memory.slice(at, at + bytes));
    const used = words[abi.TLS_WORD_INPUT_BYTES] as number;
    this.input = this.input.subarray(used);
    return {
      result,
      used,
      output: slice(ROOM, words[abi.TLS_WORD_OUTPUT_BYTES] as number),
      plain: slice(2 * ROOM, op === abi.TLS_OPEN ? (words[abi.TLS_WORD_PLAIN_BYTES] as number) : 0),
      messages: words[abi.TLS_WORD_MESSAGES] as number,
    };
  }

  takes(bytes: Buffer): void {
    this.input = Buffer.concat([this.input, bytes]);
  }
}

/** A pair whose handshake is done, or an assertion; `cut` says how large each piece is. */
function shake(near: End, far: End, cut: () => number = () => ALL): void {
  const done = new Set<End>();
  for (let round = 0; done.size < 2; round++) {
    assert.ok(round < 10_000, "the handshake does not end");
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      if (done.has(end)) continue;
      const step = end.step(abi.TLS_HANDSHAKE, cut(), undefined, Math.max(1, cut()));
      assert.ok(step.result >= 0, addon.tlsError());
      other.takes(step.output);
      if (step.result === abi.TLS_DONE) done.add(end);
    }
  }
}

function pair(peer: number, context = server): { near: End; far: End } {
  const near = new End(addon.tlsConnect(OWNER, peer));
  return { near, far: new End(addon.tlsAccept(OWNER, context)) };
}

function free(...ends: readonly End[]): void {
  for (const { handle } of ends) assert.equal(addon.tlsFree(OWNER, handle), 0);
}

/** Passes content from one end to the other, in pieces. */
function pass(from: End, to: End, content: Uint8Array, random: Random): void {
  const opened: Buffer[] = [];
  for (let sealed = 0; sealed < content.length; ) {
    const piece = content.subarray(sealed, sealed + random.between(1, 60_000));
    const step = from.step(abi.TLS_SEAL, 0, piece);
    assert.equal(step.result, abi.TLS_DONE);
    to.takes(step.output);
    sealed += piece.length;
  }
  while (to.input.length > 0) {
    const step = to.step(abi.TLS_OPEN, random.between(1, random.pick([5, 500, ALL])));
    assert.equal(step.result, abi.TLS_WANT_INPUT);
    opened.push(step.plain);
  }
  assert.ok(Buffer.concat(opened).equals(content), "the content is another");
}

test("handshakes and content in pieces of any size, both ways", async () => {
  await withRandom((random) => {
    const peer = succeed(addon.tlsPeer(OWNER, client, "localhost"));
    for (let round = 0; round < 40; round++) {
      const { near, far } = pair(peer);
      const most = random.pick([1, 7, 100, 5000, ALL]);
      shake(near, far, () => random.between(1, most));
      for (let exchange = 0; exchange < 3; exchange++) {
        pass(near, far, random.bytes(random.below(100_000)), random);
        pass(far, near, random.bytes(random.below(100_000)), random);
      }
      free(near, far);
    }
  });
});

test("the second connection to a peer resumes the session of the first", () => {
  const peer = succeed(addon.tlsPeer(OWNER, client, "localhost"));
  for (const resumed of [false, true, true]) {
    const { near, far } = pair(peer);
    shake(near, far);
    near.step(abi.TLS_OPEN); // the tickets
    const facts = addon.tlsFacts(OWNER, near.handle);
    assert.ok(typeof facts === "object");
    assert.deepEqual(facts, {
      version: "TLSv1.3",
      cipher: facts.cipher,
      serverName: "localhost",
      resumed,
    });
    free(near, far);
  }
});

test("a session outlives one change of the ticket keys, and no more", () => {
  const other = serverContext(certificate);
  /** A connection to a peer; whether it resumes, and then the tickets it brings are left unread. */
  const resumes = (peer: number, context: number, reads = false) => {
    const { near, far } = pair(peer, context);
    shake(near, far);
    if (reads) near.step(abi.TLS_OPEN);
    const facts = addon.tlsFacts(OWNER, far.handle);
    free(near, far);
    assert.ok(typeof facts === "object");
    return facts.resumed;
  };
  // OpenSSL's client uses a TLS 1.3 session once.
  const peers = [0, 1, 2, 3].map(() => succeed(addon.tlsPeer(OWNER, client, "localhost")));
  for (const peer of peers) assert.ok(!resumes(peer, server, true));
  assert.ok(resumes(peers[0]!, server));
  assert.ok(resumes(peers[1]!, other), "with another context");
  assert.equal(addon.tlsChangeTicketKeys(), 0);
  assert.ok(resumes(peers[2]!, server), "the keys before still open it");
  assert.equal(addon.tlsChangeTicketKeys(), 0);
  assert.ok(!resumes(peers[3]!, server), "the keys are gone");
});

test("the reason of a refused certificate is told", () => {
  const other = new Authority("another authority");
  const expired = serverContext(authority.issue({ names: LOCAL_NAMES, expired: true }));
  const foreign = serverContext(other.issue({ names: LOCAL_NAMES }));
  for (const [host, context, reason] of [
    ["wrong.example", server, /hostname mismatch/i],
    ["127.0.0.2", server, /IP address mismatch/i],
    ["localhost", expired, /expired/],
    ["localhost", foreign, /unable to get local issuer|self.signed/],
  ] as const) {
    const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, host)), context);
    far.takes(near.step(abi.TLS_HANDSHAKE).output);
    near.takes(far.step(abi.TLS_HANDSHAKE).output);
    const step = near.step(abi.TLS_HANDSHAKE);
    assert.equal(step.result, -abi.EPROTO);
    assert.match(addon.tlsError(), reason);
    assert.ok(step.output.length > 0, "an alert");
    free(near, far);
  }
  other.remove();
});

test("a certificate is chosen by the name that is asked for", () => {
  const context = serverContext(certificate);
  const names = ["www.example.com", "*.example.com"] as const;
  const contexts = names.map((name) =>
    serverContext(authority.issue({ names: [`DNS:${name}`, "DNS:unused.example"] })),
  );
  for (const [index, name] of names.entries())
    succeed(addon.tlsName(context, name, contexts[index]!));
  succeed(addon.tlsName(context, "*.example.com", context)); // the first entry stays
  for (const [host, accepted] of [
    ["www.example.com", true],
    ["WWW.example.COM", true],
    ["api.example.com", true],
    ["a.b.example.com", false],
    ["example.com", false],
    ["localhost", true],
  ] as const) {
    const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, host)), context);
    if (accepted) shake(near, far);
    else assert.throws(() => shake(near, far), /mismatch/i, host);
    free(near, far);
  }
});

test("close_notify ends one direction and leaves the other", async () => {
  await withRandom((random) => {
    const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, "localhost")));
    shake(near, far);
    near.step(abi.TLS_OPEN);
    far.takes(near.step(abi.TLS_END).output);
    assert.equal(far.step(abi.TLS_OPEN).result, abi.TLS_ENDED);
    pass(far, near, random.bytes(1000), random);
    near.takes(far.step(abi.TLS_END).output);
    assert.equal(near.step(abi.TLS_OPEN).result, abi.TLS_ENDED);
    free(near, far);
  });
});

test("changed records are refused, and nothing of them is content", async () => {
  await withRandom((random) => {
    const peer = succeed(addon.tlsPeer(OWNER, client, "localhost"));
    for (let round = 0; round < 60; round++) {
      const { near, far } = pair(peer);
      shake(near, far);
      const { output } = near.step(abi.TLS_SEAL, 0, random.bytes(200));
      output[random.below(output.length)]! ^= 1 << random.below(8);
      far.takes(output);
      const step = far.step(abi.TLS_OPEN);
      // A header that names more bytes than there are waits for them.
      assert.ok(step.result === -abi.EPROTO || step.result === abi.TLS_WANT_INPUT);
      assert.equal(step.plain.length, 0);
      free(near, far);
    }
  });
});

test("what a record lacks is known at every byte, and an error of the kernel is final", () => {
  const context = serverContext(certificate);
  succeed(addon.tlsContextKernel(context));
  const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, "localhost")), context);
  const toKernel = () => addon.tlsToKernel(OWNER, far.handle, FD_NOBODY, true);
  shake(near, far);
  const { output } = near.step(abi.TLS_SEAL, 0, new Uint8Array(100));
  for (const [at, byte] of output.entries()) {
    far.takes(Buffer.from([byte]));
    far.step(abi.TLS_OPEN);
    const taken = at + 1;
    const lacks = taken < HEADER_BYTES ? HEADER_BYTES - taken : output.length - taken;
    assert.equal(addon.tlsInputRest(OWNER, far.handle), lacks, `${taken} bytes taken`);
    if (lacks > 0) assert.equal(toKernel(), -abi.EAGAIN);
  }
  assert.equal(toKernel(), -abi.EBADF);
  assert.equal(toKernel(), -abi.EINVAL, "the secrets are still there");
  free(near, far);
});

test("a step outside of its memory, or of no connection, is refused", () => {
  const words = new Uint32Array(abi.TLS_WORDS);
  const memory = new Uint8Array(100);
  for (const at of [abi.TLS_WORD_INPUT, abi.TLS_WORD_OUTPUT, abi.TLS_WORD_PLAIN]) {
    for (const [offset, bytes] of [
      [0, 101],
      [101, 0],
      [100, 1],
      [0xffffffff, 1],
      [1, 0xffffffff],
    ] as const) {
      words.fill(0);
      words[at] = offset;
      words[at + 1] = bytes;
      assert.throws(() => addon.tlsStep(OWNER, memory, 0, words, 0), TypeError);
    }
  }
  words.fill(0);
  words[abi.TLS_WORD_HANDLE] = 0xffffffff;
  assert.equal(addon.tlsStep(OWNER, memory, 0, words, 0), -abi.EINVAL);
  assert.equal(addon.tlsFree(OWNER, 12_345), -abi.EINVAL);
  assert.equal(addon.tlsFacts(OWNER, 12_345), -abi.EINVAL);
});

test("an owner's connections go with it", () => {
  const other = OWNER + 1;
  const before = addon.tlsCount();
  for (let i = 0; i < 200; i++) assert.equal(addon.tlsAccept(other, server), i);
  assert.equal(addon.tlsCount() - before, 200);
  assert.equal(addon.releaseOwner(other), 0);
  assert.equal(addon.tlsCount(), before);
  assert.equal(addon.tlsFree(other, 0), -abi.EINVAL);
  assert.equal(addon.tlsAccept(other, server), 0);
  addon.releaseOwner(other);
});

test("a connection goes from one owner to another with its descriptor", async () => {
  const other = OWNER + 1;
  const before = addon.tlsCount();
  const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, "localhost")));
  shake(near, far);
  const [first, second] = [1, 2].map(() => succeed(addon.socket(other, false)));
  assert.equal(addon.letGo(other, first!, 12_345), -abi.EINVAL);
  assert.equal(addon.letGo(other, FD_NOBODY, -1), 0);
  assert.equal(addon.letGo(OWNER, FD_NOBODY, far.handle), -abi.EINVAL);
  assert.equal(addon.takeUp(OWNER, first!), -abi.ENOENT);

  succeed(addon.letGo(OWNER, first!, far.handle));
  assert.equal(addon.tlsFree(OWNER, far.handle), -abi.EINVAL, "it is not there any more");
  const place = succeed(addon.tlsAccept(other, server));
  const moved = succeed(addon.takeUp(other, first!));
  assert.notEqual(moved, place);
  assert.equal(addon.takeUp(other, first!), -abi.ENOENT, "it was taken");
  assert.equal((addon.tlsFacts(other, moved) as { version: string }).version, "TLSv1.3");
  // Back again, so that `End` can show that both directions go on.
  succeed(addon.letGo(other, first!, moved));
  const back = new End(addon.takeUp(OWNER, first!));
  await withRandom((random) => pass(near, back, random.bytes(100_000), random));
  await withRandom((random) => pass(back, near, random.bytes(100_000), random));

  // What is left with a descriptor goes when that is closed, or when its owner does.
  succeed(addon.letGo(OWNER, second!, back.handle));
  succeed(addon.close(second!));
  assert.equal(addon.takeUp(OWNER, second!), -abi.ENOENT);
  addon.owners()[second!] = 0;

  // What the kernel has leaves no more than a note, which goes in the same ways.
  const third = succeed(addon.socket(other, false));
  assert.equal(addon.letGo(other, third, abi.TLS_IN_KERNEL), 0);
  assert.equal(addon.takeUp(OWNER, third), abi.TLS_IN_KERNEL);
  assert.equal(addon.takeUp(OWNER, third), -abi.ENOENT, "it was taken");
  assert.equal(addon.letGo(OWNER, third, abi.TLS_IN_KERNEL), 0);
  succeed(addon.close(third));
  assert.equal(addon.takeUp(OWNER, third), -abi.ENOENT);
  addon.owners()[third] = 0;
  free(near);
  addon.releaseOwner(other);
  assert.equal(addon.tlsCount(), before, "one that was left is held on to");
});

test("a context takes over the certificate of another", () => {
  const context = succeed(addon.tlsContext(true, true));
  assert.equal(addon.tlsCertificateOf(context, client), -abi.EINVAL, "a client's has none");
  succeed(addon.tlsCertificateOf(context, server));
  const { near, far } = pair(succeed(addon.tlsPeer(OWNER, client, "localhost")), context);
  shake(near, far);
  free(near, far);
});

test("what is no certificate, or another's key, is refused", () => {
  const context = succeed(addon.tlsContext(true, false));
  const other = authority.issue({ names: LOCAL_NAMES });
  const take = (chain: string, key: string) =>
    addon.tlsCertificate(context, Buffer.from(chain), 0, Buffer.from(key), 0);
  assert.equal(take("", ""), -abi.EINVAL);
  assert.equal(take(certificate.cert, other.key), -abi.EINVAL);
  assert.match(addon.tlsError(), /mismatch/);
  // The end of the file is not where one can't be read.
  const spoilt = authority.cert.replace(/\n[\w+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  const cut = authority.cert.replace(/=*\n-----END/, "!\n-----END");
  for (const bad of [spoilt, cut]) {
    assert.equal(take(certificate.cert + bad, certificate.key), -abi.EINVAL);
    assert.notEqual(addon.tlsError(), "");
    const roots = succeed(addon.tlsContext(false, false));
    const pem = certificate.cert + bad + authority.cert;
    assert.equal(addon.tlsRoots(roots, Buffer.from(pem), 0), -abi.EINVAL);
    assert.notEqual(addon.tlsError(), "");
    assert.equal(addon.tlsRoots(roots, Buffer.from(`${certificate.cert}text`), 0), 2);
    assert.equal(addon.tlsContextFree(roots), 0);
  }
  assert.equal(take(certificate.cert, certificate.key), 0);
  assert.equal(addon.tlsContextFree(context), 0);
  assert.equal(addon.tlsContextFree(context), -abi.EINVAL);
});
