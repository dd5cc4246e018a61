// Readers of addresses, hosts, paths and URLs, against other readers of the same formats.

import assert from "node:assert/strict";
import { test } from "node:test";
import ipaddr from "ipaddr.js";
import { parseCidr } from "zproxy/compiler/2-check/values/cidr.ts";
import { asciiHost, parseHostPattern } from "zproxy/compiler/2-check/values/host-name.ts";
import { parseIp } from "zproxy/compiler/2-check/values/ip-address.ts";
import {
  parseListenAddress,
  printListenAddress,
} from "zproxy/compiler/2-check/values/listen-address.ts";
import type { Parsed } from "zproxy/compiler/2-check/values/parsed.ts";
import { parseProxyUrl } from "zproxy/compiler/2-check/values/proxy-url.ts";
import { normalPath, parsePath } from "zproxy/compiler/2-check/values/request-path.ts";
import { type Random, withRandom } from "../lib/random.ts";

const ROUNDS = 2000;

function readOk<T>(result: Parsed<T>): T {
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.value;
}

function refuses(parse: (text: string) => Parsed<unknown>, texts: readonly string[]): void {
  for (const text of texts) assert.equal(parse(text).ok, false, JSON.stringify(text));
}

test("CIDR blocks are cut where ipaddr.js cuts them", async () => {
  await withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const v4 = random.below(2) === 0;
      const bytes = Array.from(random.bytes(v4 ? 4 : 16));
      const bits = random.between(0, v4 ? 32 : 128);
      const address = v4 ? bytes.join(".") : new ipaddr.IPv6(bytes).toNormalizedString();
      const block = readOk(parseCidr(`${address}/${bits}`));
      const network = (v4 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(`${address}/${bits}`);
      assert.deepEqual(block.bytes, network.toByteArray());
      assert.equal(block.prefixBits, bits);
      assert.equal(block.exact, bytes.join() === network.toByteArray().join());
      assert.deepEqual(readOk(parseCidr(block.text)).bytes, block.bytes);
      assert.equal(readOk(parseCidr(block.text)).prefixBits, bits);
    }
  });
});

test("a single address is a block of one", () => {
  assert.equal(readOk(parseCidr("10.1.2.3")).prefixBits, 32);
  assert.equal(readOk(parseCidr("::1")).prefixBits, 128);
});

test("addresses that programs read differently are refused", () => {
  refuses(parseIp, [
    "",
    "1",
    "127.1",
    "10.0.0",
    "010.0.0.1",
    "0x7f.0.0.1",
    "1.2.3.256",
    "1.2.3.4.",
  ]);
  refuses(parseIp, [" 1.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1..2.3", "2130706433", "localhost"]);
  refuses(parseIp, [":", ":::", "1::2::3", "::ffff:010.0.0.1", "::1.2.3", "fe80::1%eth0", "[::1]"]);
  refuses(parseIp, ["1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g"]);
  refuses(parseCidr, ["10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "/8"]);
  refuses(parseCidr, ["10.0.0.0/8/8", "10.0.0.0/8 ", "10.0.0.0/0x8"]);
});

test("listen addresses survive printing", async () => {
  await withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Array.from(random.bytes(random.below(2) === 0 ? 4 : 16));
      const address =
        bytes.length === 4 ? bytes.join(".") : `[${new ipaddr.IPv6(bytes).toString()}]`;
      const endpoint = readOk(parseListenAddress(`${address}:${random.below(65536)}`));
      assert.deepEqual(readOk(parseListenAddress(printListenAddress(endpoint))), endpoint);
    }
  });
  refuses(parseListenAddress, ["", ":", "80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "a:80"]);
  refuses(parseListenAddress, ["::1:80", "[1.2.3.4]:80", "[::1]", "[::1]80", "1.2.3.4:+80"]);
});

test("host patterns have one normal form", () => {
  const forms: readonly (readonly [text: string, normal: string])[] = [
    ["Example.COM", "example.com"],
    ["example.com.", "example.com"],
    ["*.Example.com", "*.example.com"],
    ["*", "*"],
    ["localhost", "localhost"],
    ["a_b.c-d", "a_b.c-d"],
    ["xn--r8jz45g.jp", "xn--r8jz45g.jp"],
    ["127.0.0.1", "127.0.0.1"],
    ["[::1]", "::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::A", "2001:db8::a"],
    ["::ffff:1.2.3.4", "::ffff:102:304"],
    ["::1.2.3.4", "::102:304"],
  ];
  for (const [text, normal] of forms) assert.equal(readOk(parseHostPattern(text)), normal);
  refuses(parseHostPattern, ["", ".", "a..b", ".a", "-a", "a-", "a b", "a/b", "a:80", "例え.jp"]);
  // They become ASCII letters when they are made small, or small and whole again.
  refuses(parseHostPattern, [
    "\u212aelvin.example",
    "*.\u212a",
    "\u0130.example",
    "\uff41.example",
  ]);
  refuses(parseHostPattern, ["*.", "*a", "a.*", "*.*.a", "**", "1.2.3", "1.2.3.4.5", "[::1]:80"]);
  refuses(parseHostPattern, [`${"a".repeat(64)}.com`, `${"a.".repeat(127)}com`, "a%41"]);
});

test("the form of a host that browsers send is found", () => {
  const forms: readonly (readonly [text: string, form: string | undefined])[] = [
    ["bücher.example", "xn--bcher-kva.example"],
    ["*.BÜCHER.example", "*.xn--bcher-kva.example"],
    ["例え．jp", "xn--r8jz45g.jp"],
    ["\u212aelvin.example", "kelvin.example"],
    ["a.example", undefined],
    ["ü ü", undefined],
    ["*.*.ü", undefined],
    ["ü/a", undefined],
    ["ü@b", undefined],
  ];
  for (const [text, form] of forms) assert.equal(asciiHost(text), form, text);
});

const SEGMENTS = ["a", "b.c", "", ".", "..", "%2e", "%2E%2e", ".%2e", "...", "%41", "%7e", "%2f"];

function randomPath(random: Random): string {
  const segments = Array.from({ length: random.below(6) }, () => random.pick(SEGMENTS));
  return `/${segments.join("/")}`;
}

test("the normal form of a path is stable, and what it means is unchanged", async () => {
  await withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const path = randomPath(random);
      const normal = normalPath(path);
      if (normal === undefined) continue;
      assert.equal(normalPath(normal), normal);
      assert.equal(parsePath(path).ok, path === normal, path);
      const meant = decodeURIComponent(new URL(`http://host${path}`).pathname);
      assert.equal(decodeURIComponent(normal), meant, path);
    }
  });
});

test("paths above the root and broken paths are refused", () => {
  for (const path of ["/..", "/a/../..", "/%2e%2E/a"]) assert.equal(normalPath(path), undefined);
  refuses(parsePath, [
    "",
    "a",
    "/a?b",
    "/a#b",
    "/%",
    "/%4",
    "/%zz",
    "/%00",
    "/%0a",
    "/%7f",
    "/a b",
  ]);
  refuses(parsePath, ["/é", '/"', "/<", "/\\", "/^", "/{", "/\t", "/%41", "/%2f", "/./", "/a/.."]);
  for (const path of [
    "/",
    "//",
    "/a/",
    "/a//b",
    "/%2F",
    "/a;b=c,d",
    "/@:!$&'()*+~",
    "/.a",
    "/a..",
  ]) {
    assert.equal(readOk(parsePath(path)), path);
  }
});

test("server URLs mean what they mean to everybody", async () => {
  const hosts = ["localhost", "API.example.com", "10.0.0.1", "[2001:DB8::1]", "a-b.c"];
  const ports = ["", ":80", ":443", ":8080", ":65535"];
  await withRandom((random) => {
    for (let round = 0; round < ROUNDS; round++) {
      const scheme = random.pick(["http", "https", "HTTP"]);
      const path = random.pick(["", "/", "/app", "/app/", "/a%2Fb//c"]);
      const text = `${scheme}://${random.pick(hosts)}${random.pick(ports)}${path}`;
      const url = readOk(parseProxyUrl(text));
      const known = new URL(text);
      assert.equal(url.tls, known.protocol === "https:");
      assert.equal(url.host, known.hostname.replace(/[[\]]/g, ""));
      assert.equal(url.port, Number(known.port || (url.tls ? 443 : 80)));
      assert.equal(url.authority, known.host);
      assert.equal(url.path, known.pathname);
    }
  });
});

test("what is no server URL is refused", () => {
  refuses(parseProxyUrl, ["", "invalid-url", "localhost:80", "//host", "http:host", "http:/host"]);
  refuses(parseProxyUrl, ["http://", "http:///a", "http://:80", "http://h:", "http://h:0"]);
  refuses(parseProxyUrl, [
    "http://h:65536",
    "http://h:8o",
    "http://u@h",
    "http://u:p@h/",
    "ftp://h",
  ]);
  refuses(parseProxyUrl, ["http://h?x", "http://h/?x", "http://h/#x", "http://h#x", "http://h h"]);
  refuses(parseProxyUrl, [
    "http://[::1",
    "http://[1.2.3.4]",
    "http://::1",
    "http://127.1",
    "http://h\\a",
  ]);
  refuses(parseProxyUrl, ["http://h/a/../b", "http://h/%zz", "http://例え.jp", "unix:/run/a.sock"]);
  refuses(parseProxyUrl, [" http://h", "http://h ", "http://h/\n", "http://*", "http://1.2.3.4.5"]);
});
