// Paths and hosts in normal form: as the reference has them, found where they were received when
// they are normal already, and normal for good.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHostPattern } from "zproxy/compiler/2-check/values/host-name.ts";
import { SCAN_BAD } from "zproxy/runtime/data/http1-fields.ts";
import { normaliseHost, normalisePath, TargetRange } from "zproxy/runtime/data/request-target.ts";
import { PoisonedBytes } from "../lib/poisoned-bytes.ts";
import { Random, withRandom } from "../lib/random.ts";
import { referenceHost, referencePath } from "../lib/reference-target.ts";

const CASES = 40_000;
const HOST_SCRATCH = 255;
const PIECES = [
  ..."/////..%%?a~_-Z0",
  "..",
  "%2e",
  "%2E",
  "%2f",
  "%41",
  "%7e",
  "%7F",
  "%00",
  "%1f",
  "%20",
  "%80",
  "%fF",
  "%4",
  "%g1",
  "%25",
  "\\",
  "index",
];

function randomPath(random: Random): string {
  const pieces = Array.from({ length: random.below(14) }, () => random.pick(PIECES));
  return `/${pieces.join("")}`;
}

interface Normal {
  readonly text: string;
  readonly query: string;
  /** Whether it stayed where it was received. */
  readonly inPlace: boolean;
}

/** The normal form of a target that starts with "/", or undefined. */
function normalPath(target: string, random: Random): Normal | undefined {
  const memory = PoisonedBytes.random(target, target.length, random);
  const { start, end, bytes } = memory;
  const range = new TargetRange();
  const query = normalisePath(bytes, start, end, memory.scratch, range);
  memory.expectUntouched();
  if (query < 0) {
    assert.equal(query, SCAN_BAD);
    return undefined;
  }
  const text = memory.text(range.start, range.end);
  return { text, query: memory.text(query, end), inPlace: range.start === start };
}

test("a path gets the normal form of the reference, its query none", async () => {
  await withRandom((random) => {
    let refused = 0;
    for (let index = 0; index < CASES; index++) {
      const target = randomPath(random);
      const mark = target.indexOf("?");
      const path = mark < 0 ? target : target.slice(0, mark);
      const expected = referencePath(path);
      const found = normalPath(target, random);
      assert.equal(found?.text, expected, JSON.stringify(target));
      if (found === undefined) refused++;
      else assert.equal(found.query, target.slice(path.length), JSON.stringify(target));
    }
    assert.ok(refused > CASES / 10 && refused < (CASES * 9) / 10);
  });
});

test("a normal form is its own normal form", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES / 4; index++) {
      const target = randomPath(random);
      const once = normalPath(target, random);
      if (once === undefined) continue;
      assert.equal(normalPath(once.text, random)?.text, once.text, JSON.stringify(target));
    }
  });
});

test("no path holds what a browser would escape, every query does", () => {
  for (const character of '"<>\\`{}') {
    const random = new Random(1);
    assert.equal(normalPath(`/a${character}b`, random), undefined, character);
    assert.equal(normalPath(`/a?${character}`, random)?.query, `?${character}`);
  }
  for (const character of "|^[]!$&'()*+,;=:@") {
    const path = `/a${character}b`;
    assert.equal(normalPath(path, new Random(1))?.text, path);
  }
});

test("a path without escapes and dot segments is not copied", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES / 4; index++) {
      const target = randomPath(random);
      const path = target.replace(/\?.*/, "");
      if (/%|\/\.|["<>\\`{}]/.test(path)) continue;
      assert.equal(normalPath(target, random)?.inPlace, true, JSON.stringify(target));
    }
  });
});

test("dot segments leave what URL leaves, as long as they stay below the root", async () => {
  await withRandom((random) => {
    for (let index = 0; index < CASES / 4; index++) {
      // URL of Node 20 overlooks segments behind a name that begins with a dot, so there is none.
      const names = ["a", "b.", ".", "..", "", "%2e", ".%2E"];
      const segments = Array.from({ length: random.below(8) }, () => random.pick(names));
      const path = `/${segments.join("/")}`;
      const found = normalPath(path, random);
      if (found === undefined) continue;
      assert.equal(found.text, new URL(`http://a${path}`).pathname, path);
    }
  });
});

const NAMES = [..."aZ09-_.f", "example", "EXAMPLE", ".com", "..", "h".repeat(120)];
const GROUPS = ["0", "a", "FFFF", "12345", "1.2.3.4", "1.2.3.256", "01.2.3.4", ":", ":", ""];

function randomAuthority(random: Random): string {
  const port = random.pick([
    "",
    "",
    ":",
    ":80",
    ":65535",
    ":65536",
    ":000080",
    ":+1",
    ":8a",
    ":1:2",
  ]);
  const list = (items: readonly string[], joint: string): string =>
    Array.from({ length: random.between(0, 9) }, () => random.pick(items)).join(joint);
  const name = random.below(3) === 0 ? `[${list(GROUPS, ":")}]` : list(NAMES, "");
  const text = name + port;
  if (random.below(6) !== 0) return text;
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick([..."@/?# %[]\0\x7f\xe9,"]) + text.slice(at);
}

function normalHost(authority: string, random: Random): string | undefined {
  const memory = PoisonedBytes.random(authority, HOST_SCRATCH, random);
  const range = new TargetRange();
  const { bytes, start, end, scratch } = memory;
  const result = normaliseHost(bytes, start, end, scratch, range);
  memory.expectUntouched();
  if (result < 0) {
    assert.equal(result, SCAN_BAD);
    return undefined;
  }
  const host = memory.text(range.start, range.end);
  if (host === authority.slice(range.start - start).slice(0, host.length))
    assert.ok(range.start >= start && range.end <= end, "copied without need");
  return host;
}

test("a host gets the normal form of the reference", async () => {
  await withRandom((random) => {
    let taken = 0;
    for (let index = 0; index < CASES; index++) {
      const authority = randomAuthority(random);
      const found = normalHost(authority, random);
      assert.equal(found, referenceHost(authority), JSON.stringify(authority));
      if (found === undefined) continue;
      taken++;
      const again = found.includes(":") ? `[${found}]` : found;
      // A name may end in a second dot; that one is its own.
      if (!found.endsWith(".")) assert.equal(normalHost(again, random), found);
    }
    assert.ok(taken > CASES / 10 && taken < (CASES * 9) / 10, `${taken}`);
  });
});

test("IPv6 literals are taken exactly when they are addresses", async () => {
  await withRandom((random) => {
    const seen = new Set<string | undefined>();
    for (let index = 0; index < CASES; index++) {
      const groups = Array.from({ length: random.between(1, 9) }, () =>
        random.pick(["", "0", "1f", "ABCD", "1.2.3.4"]),
      );
      const text = `[${groups.join(":")}${random.pick(["", "", ":", "::"])}]`;
      const found = normalHost(text, random);
      assert.equal(found, referenceHost(text), text);
      seen.add(found);
    }
    assert.ok(seen.size > 100);
  });
});

test("an IPv6 host is called what a configuration calls it, however it is spelt", async () => {
  await withRandom((random) => {
    const seen = new Set<string>();
    for (let index = 0; index < CASES; index++) {
      const groups = Array.from({ length: 8 }, () =>
        random.pick(["0", "0000", "00a", "b", "FFFF"]),
      );
      const tail = random.below(4) === 0 ? [...groups.slice(0, 6), "1.0.0.255"] : groups;
      const from = random.below(tail.length);
      const to = from + random.below(tail.length - from) + 1;
      const whole = tail.join(":");
      const short = `${tail.slice(0, from).join(":")}::${tail.slice(to).join(":")}`;
      const text = random.below(3) === 0 ? whole : short;
      const key = parseHostPattern(text);
      assert.ok(key.ok, text);
      assert.equal(normalHost(`[${text}]:80`, random), key.value, text);
      seen.add(key.value);
    }
    assert.ok(seen.size > 1000);
  });
});

test("a host of 255 bytes is taken, one of 256 is not", async () => {
  await withRandom((random) => {
    for (const letter of ["a", "A"]) {
      assert.equal(normalHost(letter.repeat(255), random), "a".repeat(255));
      assert.equal(normalHost(`${letter.repeat(255)}.`, random), "a".repeat(255));
      assert.equal(normalHost(letter.repeat(256), random), undefined);
    }
  });
});
