// Choosing a server: turns, loads and hashes, beside plain counts of what each must come to.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Balancer,
  hashAddress,
  makeBalancer,
  NO_SERVER,
} from "zproxy/runtime/data/balance.ts";
import { turnsOf } from "zproxy/runtime/data/balance-schedule.ts";
import { mixBits } from "zproxy/runtime/data/hash.ts";
import { ServerState, serverStateBytes } from "zproxy/runtime/data/server-state.ts";
import { Server } from "zproxy/runtime/data/upstream-server.ts";
import { type Random, withRandom } from "../lib/random.ts";

const WORKERS = 3;

/** Servers with these weights; their URLs come from `names`, by default 0, 1, 2 and so on. */
function servers(weights: readonly number[], names = weights.map((_, at) => at)): Server[] {
  return weights.map((weight, at) => {
    const authority = `s${names[at]}.example`;
    const words = new Int32Array(serverStateBytes(WORKERS) / Int32Array.BYTES_PER_ELEMENT);
    return new Server({ tls: false, host: "h", port: 80, authority, weight }, words);
  });
}

function counted(choices: Iterable<number>, length: number): number[] {
  const counts = new Array<number>(length).fill(0);
  for (const choice of choices) counts[choice] = (counts[choice] ?? 0) + 1;
  return counts;
}

function choose(balancer: Balancer, times: number, hashOf = (_: number) => 0): number[] {
  return Array.from({ length: times }, (_, index) => balancer.first(hashOf(index)));
}

function clientHash(index: number): number {
  return hashAddress(0, 0, 0xffff, 0x0a000000 + index);
}

function randomWeights(random: Random, most: number): number[] {
  return Array.from({ length: 1 + random.below(8) }, () => 1 + random.below(most));
}

describe("turns", () => {
  test("each server has as many as its weight says, spread over the round", async () => {
    await withRandom((random) => {
      for (let round = 0; round < 200; round++) {
        const weights = randomWeights(random, 20);
        const turns = [...turnsOf(weights)];
        const factor = (weights[0] ?? 0) / turns.filter((turn) => turn === 0).length;
        assert.deepEqual(
          counted(turns, weights.length).map((count) => count * factor),
          weights,
        );
        // In every window, a server's turns are near its share.
        const share = turns.length / Math.max(...weights.map((weight) => weight / factor));
        const heaviest = weights.indexOf(Math.max(...weights));
        const places = turns.flatMap((turn, at) => (turn === heaviest ? [at] : []));
        for (const [at, place] of places.entries()) {
          const gap = (places[at + 1] ?? (places[0] ?? 0) + turns.length) - place;
          assert.ok(gap <= Math.ceil(share) + weights.length, `gap ${gap} of ${weights}`);
        }
      }
    });
  });

  test("the known round of 5, 1, 1", () => {
    assert.deepEqual([...turnsOf([5, 1, 1])], [0, 0, 1, 0, 2, 0, 0]);
    assert.deepEqual([...turnsOf([500, 100, 100])], [0, 0, 1, 0, 2, 0, 0]);
  });

  test("rounds stay short, and nobody is left out", () => {
    const weights = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 1 : 997 + index));
    const turns = turnsOf(weights);
    assert.ok(turns.length < 5000, `${turns.length}`);
    assert.ok(counted(turns, weights.length).every((count) => count > 0));
    assert.equal(turnsOf(Array.from({ length: 5000 }, () => 7)).length, 5000);
  });
});

describe("round robin", () => {
  test("one cursor: shares are exact over all workers together", async () => {
    await withRandom((random) => {
      const weights = randomWeights(random, 9);
      const group = servers(weights);
      const cursor = new Int32Array(1);
      const workers = Array.from({ length: WORKERS }, () =>
        makeBalancer("round_robin", group, cursor),
      );
      const rounds = 40 * turnsOf(weights).length;
      const choices = Array.from({ length: rounds }, () => random.pick(workers).first(0));
      const counts = counted(choices, weights.length);
      const factor = (counts[0] ?? 0) / (weights[0] ?? 1);
      assert.deepEqual(
        counts,
        weights.map((weight) => weight * factor),
      );
    });
  });

  test("what is unhealthy has no turns, the others keep theirs", () => {
    const group = servers([1, 2, 1, 4]);
    const balancer = makeBalancer("round_robin", group, new Int32Array(1));
    const [, second, , fourth] = group as [Server, Server, Server, Server];
    second.state.healthy = false;
    assert.deepEqual(counted(choose(balancer, 60), 4), [10, 0, 10, 40]);
    fourth.state.healthy = false;
    assert.deepEqual(counted(choose(balancer, 60), 4), [30, 0, 30, 0]);
    second.state.healthy = true;
    assert.deepEqual(counted(choose(balancer, 60), 4), [15, 30, 15, 0]);
  });

  test("after 2^32 turns it goes on", () => {
    const group = servers([1, 1, 1]);
    const cursor = new Int32Array([-3]);
    const balancer = makeBalancer("round_robin", group, cursor);
    assert.equal(new Set(choose(balancer, 3)).size, 3);
    assert.equal(new Set(choose(balancer, 3)).size, 3);
  });
});

describe("least connections", () => {
  test("the least loaded for its weight, over all workers", async () => {
    await withRandom((random) => {
      for (let round = 0; round < 300; round++) {
        const weights = randomWeights(random, 5);
        const group = servers(weights);
        const loads = weights.map(() => 0);
        for (const [index, server] of group.entries()) {
          for (let worker = 0; worker < WORKERS; worker++) {
            const load = random.below(6);
            server.state.addInFlight(worker, load);
            loads[index] = (loads[index] ?? 0) + load;
          }
          if (random.below(4) === 0) server.state.healthy = false;
        }
        const chosen = makeBalancer("least_conn", group, new Int32Array(1)).first(0);
        const costs = group.flatMap(({ state, weight }, index) =>
          state.healthy ? [(loads[index] ?? 0) / weight] : [],
        );
        if (costs.length === 0) {
          assert.equal(chosen, NO_SERVER);
          continue;
        }
        assert.equal((loads[chosen] ?? 0) / (weights[chosen] ?? 1), Math.min(...costs));
        assert.ok(group[chosen]?.state.healthy);
      }
    });
  });

  test("ties take turns, by weight", () => {
    const group = servers([1, 1, 1, 1]);
    const balancer = makeBalancer("least_conn", group, new Int32Array(1));
    group[0]?.state.addInFlight(1, 1);
    assert.deepEqual(counted(choose(balancer, 30), 4), [0, 10, 10, 10]);
    const heavy = makeBalancer("least_conn", servers([3, 1]), new Int32Array(1));
    assert.deepEqual(counted(choose(heavy, 40), 2), [30, 10]);
  });

  test("with requests that last, loads follow the weights", () => {
    const group = servers([1, 2, 3]);
    const balancer = makeBalancer("least_conn", group, new Int32Array(1));
    for (let request = 0; request < 60; request++)
      group[balancer.first(0)]?.state.addInFlight(request % WORKERS, 1);
    assert.deepEqual(
      group.map(({ state }) => state.inFlight),
      [10, 20, 30],
    );
  });
});

describe("client hash", () => {
  const CLIENTS = 4000;

  test("only the clients of a server that leaves move, and they come back with it", async () => {
    await withRandom((random) => {
      const group = servers(randomWeights(random, 4).concat(1, 2));
      const balancer = makeBalancer("ip_hash", group, new Int32Array(1));
      const before = choose(balancer, CLIENTS, clientHash);
      const gone = random.below(group.length);
      const { state } = group[gone] as Server;
      state.healthy = false;
      const without = choose(balancer, CLIENTS, clientHash);
      for (const [client, index] of before.entries()) {
        if (index === gone) assert.notEqual(without[client], gone);
        else assert.equal(without[client], index);
      }
      state.healthy = true;
      assert.deepEqual(choose(balancer, CLIENTS, clientHash), before);
    });
  });

  test("a server taken from the list moves nobody else, wherever it stood", () => {
    const all = makeBalancer("ip_hash", servers([1, 1, 1, 1], [5, 6, 7, 8]), new Int32Array(1));
    const less = makeBalancer("ip_hash", servers([1, 1, 1], [8, 5, 7]), new Int32Array(1));
    const names = (choices: number[], of: number[]) => choices.map((choice) => of[choice]);
    const before = names(choose(all, CLIENTS, clientHash), [5, 6, 7, 8]);
    const after = names(choose(less, CLIENTS, clientHash), [8, 5, 7]);
    for (const [client, name] of before.entries()) {
      if (name !== 6) assert.equal(after[client], name);
    }
  });

  test("shares are near the weights, for neighbouring addresses too", () => {
    const group = servers([1, 1, 2, 4]);
    const counts = counted(
      choose(makeBalancer("ip_hash", group, new Int32Array(1)), CLIENTS, clientHash),
      4,
    );
    for (const [index, { weight }] of group.entries()) {
      const expected = (CLIENTS * weight) / 8;
      const off = Math.abs((counts[index] ?? 0) - expected);
      assert.ok(off < expected * 0.2, `${counts}`);
    }
  });

  test("a failed connect goes where the client would be without that server", () => {
    const group = servers([1, 2, 3, 1]);
    const balancer = makeBalancer("ip_hash", group, new Int32Array(1));
    for (let client = 0; client < 200; client++) {
      const hash = clientHash(client);
      const first = balancer.first(hash);
      const tried = [first];
      for (;;) {
        const next = balancer.next(tried.at(-1) ?? 0, first, hash);
        for (const index of tried) (group[index] as Server).state.healthy = false;
        assert.equal(next, balancer.first(hash));
        for (const { state } of group) state.healthy = true;
        if (next === NO_SERVER) break;
        tried.push(next);
      }
      assert.deepEqual([...tried].sort(), [0, 1, 2, 3]);
    }
  });

  test("mixing is a bijection where it is looked at", () => {
    assert.equal(new Set(Array.from({ length: 65_536 }, (_, at) => mixBits(at))).size, 65_536);
  });
});

test("the next server in order comes once, and unhealthy ones do not", () => {
  for (const algorithm of ["round_robin", "least_conn"] as const) {
    const group = servers([1, 1, 1, 1, 1]);
    const balancer = makeBalancer(algorithm, group, new Int32Array(1));
    (group[4] as Server).state.healthy = false;
    const tried = [3];
    for (;;) {
      const next = balancer.next(tried.at(-1) ?? 0, 3, 0);
      if (next === NO_SERVER) break;
      tried.push(next);
    }
    assert.deepEqual(tried, [3, 0, 1, 2]);
  }
});

test("nobody is chosen when nobody is healthy", () => {
  for (const algorithm of ["round_robin", "least_conn", "ip_hash"] as const) {
    const group = servers([1, 3]);
    for (const { state } of group) state.healthy = false;
    assert.equal(makeBalancer(algorithm, group, new Int32Array(1)).first(7), NO_SERVER);
  }
});

test("a worker that died takes its requests in flight along", () => {
  const words = new Int32Array(serverStateBytes(WORKERS) / Int32Array.BYTES_PER_ELEMENT);
  const [one, two] = [new ServerState(words), new ServerState(words)];
  one.addInFlight(0, 1);
  two.addInFlight(2, 1);
  two.addInFlight(2, 1);
  assert.deepEqual([one.inFlight, two.inFlight, one.healthy], [3, 3, true]);
  one.clearInFlight(2);
  assert.deepEqual([one.inFlight, two.inFlight], [1, 1]);
  two.healthy = false;
  assert.deepEqual([one.healthy, one.inFlight], [false, 1]);
});
