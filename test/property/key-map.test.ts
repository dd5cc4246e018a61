// key-map.json leads from a generated line to the key it comes from, and to where that is written.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { type KeyLines, printKeyMap } from "zproxy/compiler/key-map.ts";
import { expectGolden } from "../lib/golden.ts";

const FOLDER = "test/golden/compile";

function mapped(name: string) {
  return mappedText(readFileSync(join(FOLDER, name, "config.toml"), "utf8"));
}

function mappedText(text: string) {
  const { files, ir, checked } = compile({ path: "config.toml", text });
  assert.ok(ir !== undefined && checked !== undefined);
  const printed = printKeyMap(files, ir, checked, text);
  const map = JSON.parse(printed) as Record<string, KeyLines[]>;
  return { text, files, ir, checked, map };
}

/** What a part of a key looks like in the text, with or without quotes. */
function namePattern(key: string): string {
  const last = /("(?:[^"\\]|\\.)*"|[^."]+)$/.exec(key)![1]!;
  return last.startsWith('"') ? (JSON.parse(last) as string) : last;
}

for (const name of readdirSync(FOLDER)) {
  test(`${name}: each entry names lines that exist and a key that is written there`, () => {
    const { text, files, map } = mapped(name);
    const lines = text.split("\n");
    assert.deepEqual(
      Object.keys(map),
      files.map(({ path }) => path),
    );
    for (const { path, text: generated } of files) {
      let before = 0;
      for (const { lines: range, key, at } of map[path]!) {
        assert.ok(range[0] > before && range[1] >= range[0], `${path}: ${range}`);
        before = range[1];
        assert.ok(before <= generated.split("\n").length);
        const written = lines[at[0] - 1]!.slice(at[1] - 1);
        const isItem = key.endsWith("]");
        const begin = written.replace(/^["']/, "");
        if (!isItem && !written.includes("\\"))
          assert.ok(begin.startsWith(namePattern(key)), `${key} at ${written}`);
      }
    }
  });

  test(`${name}: every route and upstream has its lines`, () => {
    const { ir, checked, map } = mapped(name);
    const keysOf = (path: string): string[] => (map[path] ?? []).map(({ key }) => key);
    const routes = keysOf("generated/routes.ts");
    for (const { key } of ir.routes) {
      assert.ok(
        routes.some((it) => it.startsWith(key)),
        key,
      );
    }
    const groups = checked.locator.keysOf(["upstreams"]).length;
    const named = keysOf("generated/upstreams.ts").filter((it) => it.startsWith("upstreams."));
    assert.ok(named.length >= groups);
  });
}

/** Each generated line behind the key that it leads to. */
function printLines(name: string): string {
  const { files, map } = mapped(name);
  return files
    .map(({ path, text }) => {
      const keyAt = (line: number): string => {
        const entry = map[path]!.find(({ lines: [first, last] }) => first <= line && line <= last);
        return entry === undefined ? "" : `${entry.at.join(":")} ${entry.key}`;
      };
      const lines = text.trimEnd().split("\n");
      const shown = lines.map((line, index) => `${keyAt(index + 1)}\t${line}`.trimEnd());
      return `${path}\n${shown.join("\n")}\n`;
    })
    .join("\n");
}

for (const name of ["conditions", "tls", "every-key", "many-clients"]) {
  test(`golden: the keys of all lines of ${name}`, () => {
    const text = printLines(name);
    expectGolden(`test/golden/key-map/${name}`, [{ path: "lines.txt", text }]);
  });
}

/** Asks for the key of the first line of a file that a text is part of. */
function keysOf({ files, map }: ReturnType<typeof mapped>) {
  return (path: string, part: string): string | undefined => {
    const lines = files.find((it) => it.path === path)!.text.split("\n");
    const at = lines.findIndex((line) => line.includes(part)) + 1;
    assert.ok(at > 0, part);
    return map[path]!.find(({ lines: [first, last] }) => first <= at && at <= last)?.key;
  };
}

test("a setting, a rule and a match lead to their own keys", () => {
  const keyOf = keysOf(mapped("every-key"));
  const route = 'path_routes."example.com"."/api/"';
  const routes = "generated/routes.ts";
  assert.equal(
    keyOf(routes, "maxRequestBodySize: 1_048_576"),
    `${route}.security.max_request_body_size`,
  );
  assert.equal(keyOf(routes, "// denied: 10.0.0.13"), `${route}.security.denied_ips[0]`);
  assert.equal(keyOf(routes, "function allowsExampleComApi"), `${route}.security`);
  assert.equal(keyOf(routes, "allowedMethods: "), `${route}.security.allowed_methods`);
  assert.equal(keyOf("generated/match.ts", "return route.EXAMPLE_COM_API;"), route);
  assert.equal(keyOf("generated/match.ts", "PATH_EXAMPLE_COM_API = "), route);
  const host = 'path_routes."example.com"';
  assert.equal(keyOf("generated/match.ts", "hostEnd, HOST_EXAMPLE_COM"), host);
  assert.equal(keyOf("generated/match.ts", "return matchExampleCom("), host);
  assert.equal(keyOf("generated/server.ts", "accessLog: true"), "logging.access_log");
  assert.equal(keyOf("generated/server.ts", "shutdownTimeoutSecs"), "server.shutdown_timeout_secs");
  assert.equal(
    keyOf("generated/upstreams.ts", 'path: "/health?full=1"'),
    'upstreams."api pool".health_check.path',
  );
  assert.equal(keyOf(routes, "import * as upstream"), undefined);
});

test("a line of a set leads to its entry", () => {
  const keyOf = keysOf(mapped("many-clients"));
  const security = 'path_routes."*"."/".security';
  const routes = "generated/routes.ts";
  assert.equal(keyOf(routes, "not 10.9.0.13"), `${security}.denied_ips[0]`);
  assert.equal(keyOf(routes, "10.9.0.0/16"), `${security}.allowed_ips[1]`);
  assert.equal(keyOf(routes, "clientsAny"), security);
  assert.equal(keyOf("generated/server.ts", "198.51.100.3"), "server.trusted_proxies[2]");
});

test("an entry is found by what it means, however it is written", () => {
  const text = `[server]
listen = "127.0.0.1:8080"
trusted_proxies = ["2001:DB8:0::1", "::ffff:10.0.0.0/104", "192.0.2.7/32"]
`;
  const keyOf = keysOf(mappedText(text));
  const list = "server.trusted_proxies";
  assert.equal(keyOf("generated/server.ts", "// 2001:db8::1"), `${list}[0]`);
  assert.equal(keyOf("generated/server.ts", "// 10.0.0.0/8"), `${list}[1]`);
  assert.equal(keyOf("generated/server.ts", "// 192.0.2.7"), `${list}[2]`);
});
