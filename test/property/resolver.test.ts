// The resolver of upstream names, with a lookup that the test answers and a clock that it moves.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Logger } from "pino";
import { type Lookup, Resolver } from "zproxy/runtime/control/resolver.ts";
import type { UpstreamSettings } from "zproxy/runtime/data/api.ts";

const SECOND = 1000;
const REFRESH = 30 * SECOND;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "setInterval"] }));
afterEach(() => mock.timers.reset());

/** Lets what has been resolved by now take effect. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

/** Moves the clock on, a second at a time. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += SECOND) {
    mock.timers.tick(SECOND);
    await settle();
  }
}

function group(...hosts: string[]): UpstreamSettings {
  const servers = hosts.map((host) => {
    return { tls: false, host, port: 80, authority: host, weight: 1 };
  });
  return { name: "g", algorithm: "round_robin", servers };
}

/** A resolver of those groups, what it asks and says, and what workers are told. */
class Watched {
  /** What names resolve to: addresses, or a code; a name that is not there hangs. */
  readonly answers = new Map<string, readonly string[] | string>();
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly said: string[] = [];
  readonly resolver: Resolver;

  constructor(...groups: UpstreamSettings[]) {
    const say = (text: string) => this.said.push(text);
    const logger = { warn: say, info: say } as unknown as Logger;
    const lookup: Lookup = (host) => {
      this.asked.push(host);
      const answer = this.answers.get(host);
      if (answer === undefined) return new Promise(() => {});
      if (typeof answer !== "string") return Promise.resolve(answer);
      return Promise.reject(Object.assign(new Error(answer), { code: answer }));
    };
    const tell = (at: number, server: number, addresses: readonly string[]) =>
      this.told.push(`${at}.${server} ${addresses.join(" ")}`);
    this.resolver = new Resolver({ upstreams: groups }, logger, tell, new Map(), lookup);
  }

  /** What has been asked since the last call. */
  takeAsked(): string[] {
    return this.asked.splice(0);
  }
}

test("addresses need no lookup", async () => {
  const watched = new Watched(group("192.0.2.1", "::1"));
  await watched.resolver.start();
  await pass(REFRESH * 2);
  assert.deepEqual(watched.asked, []);
  assert.deepEqual(watched.resolver.addresses, [[["192.0.2.1"], ["::1"]]]);
});

test("workers are told of changed addresses, once and for each server", async () => {
  const watched = new Watched(group("a.test", "192.0.2.9"), group("b.test", "a.test"));
  watched.answers.set("a.test", ["192.0.2.1"]).set("b.test", ["192.0.2.2"]);
  await watched.resolver.start();
  assert.deepEqual(watched.takeAsked(), ["a.test", "b.test"]);
  assert.deepEqual(watched.resolver.addresses, [
    [["192.0.2.1"], ["192.0.2.9"]],
    [["192.0.2.2"], ["192.0.2.1"]],
  ]);
  watched.told.length = 0;

  watched.answers.set("a.test", ["192.0.2.3", "192.0.2.4", "192.0.2.3"]);
  await pass(REFRESH - SECOND);
  assert.deepEqual(watched.takeAsked(), []);
  await pass(SECOND);
  assert.deepEqual(watched.takeAsked(), ["a.test", "b.test"]);
  assert.deepEqual(watched.told, ["0.0 192.0.2.3 192.0.2.4", "1.1 192.0.2.3 192.0.2.4"]);
  assert.deepEqual(watched.resolver.addresses[1]?.[1], ["192.0.2.3", "192.0.2.4"]);
  await pass(REFRESH * 3);
  assert.equal(watched.told.length, 2, "nothing has changed since");
  assert.deepEqual(watched.said, []);

  watched.resolver.stop();
  watched.takeAsked();
  await pass(REFRESH * 2);
  assert.deepEqual(watched.asked, []);
});

test("the last known addresses stay while a name fails to resolve", async () => {
  const watched = new Watched(group("a.test"));
  watched.answers.set("a.test", ["192.0.2.1"]);
  await watched.resolver.start();
  watched.answers.set("a.test", "ESERVFAIL");
  await pass(REFRESH * 2);
  assert.deepEqual(watched.resolver.addresses, [[["192.0.2.1"]]]);
  assert.equal(watched.takeAsked().length, 3);
  assert.equal(watched.said.length, 2);
  assert.match(watched.said[0]!, /"a.test" does not resolve \(ESERVFAIL\)/);
  watched.answers.set("a.test", ["192.0.2.1"]);
  await pass(REFRESH);
  assert.deepEqual(watched.told, ["0.0 192.0.2.1"]);
  assert.match(watched.said[2]!, /"a.test" resolves now/);
});

test("a name that appears later is there within a second, and its absence is said seldom", async () => {
  const watched = new Watched(group("late.test", "a.test"));
  watched.answers.set("late.test", "ENOTFOUND").set("a.test", ["192.0.2.1"]);
  await watched.resolver.start();
  watched.takeAsked();
  await pass(10 * SECOND);
  assert.deepEqual(watched.takeAsked(), Array(10).fill("late.test"));
  assert.equal(watched.said.length, 1);
  watched.answers.set("late.test", ["192.0.2.2"]);
  await pass(SECOND);
  assert.deepEqual(watched.told, ["0.1 192.0.2.1", "0.0 192.0.2.2"]);
  assert.deepEqual(watched.resolver.addresses, [[["192.0.2.2"], ["192.0.2.1"]]]);
  assert.equal(watched.said.length, 2);
  watched.takeAsked();
  await pass(10 * SECOND);
  assert.deepEqual(watched.asked, []);
});

test("a lookup that hangs holds up neither the start for long, nor other lookups", async () => {
  const watched = new Watched(group("hangs.test", "a.test"));
  watched.answers.set("a.test", ["192.0.2.1"]);
  let started = false;
  void watched.resolver.start().then(() => {
    started = true;
  });
  await pass(4 * SECOND);
  assert.equal(started, false);
  await pass(SECOND);
  assert.equal(started, true);
  assert.deepEqual(watched.told, ["0.1 192.0.2.1"]);
  watched.takeAsked();
  await pass(REFRESH);
  assert.deepEqual(watched.takeAsked(), ["a.test"], "one lookup of a name at a time");
});

test("a stop during the start leaves nothing behind", async () => {
  const watched = new Watched(group("hangs.test", "a.test"));
  watched.answers.set("a.test", ["192.0.2.1"]);
  const start = watched.resolver.start();
  watched.resolver.stop();
  await pass(5 * SECOND);
  await start;
  watched.takeAsked();
  await pass(REFRESH * 2);
  assert.deepEqual(watched.asked, []);
});

test("of very many addresses the first are used, and the log says so once", async () => {
  const many = Array.from({ length: 100 }, (_, host) => `192.0.2.${host}`);
  const watched = new Watched(group("many.test"));
  watched.answers.set("many.test", many);
  await watched.resolver.start();
  watched.answers.set("many.test", many.slice(10));
  await pass(REFRESH);
  assert.deepEqual(watched.resolver.addresses, [[many.slice(10, 74)]]);
  assert.equal(watched.said.length, 1);
  assert.match(watched.said[0]!, /"many.test" has 100 addresses; the first 64 are used/);
});
