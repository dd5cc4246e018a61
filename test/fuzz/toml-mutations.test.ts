// Damaged documents: whatever the text is, the front half of the compiler answers with diagnostics.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "zproxy/compiler/1-read/read.ts";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { formatJson } from "zproxy/compiler/diagnostics/json-format.ts";
import { Report } from "zproxy/compiler/diagnostics/report.ts";
import { formatText } from "zproxy/compiler/diagnostics/text-format.ts";
import { type Random, withRandom } from "../lib/random.ts";
import { mutated, TomlWriter } from "../lib/toml-documents.ts";
import { tomlTexts } from "../lib/toml-texts.ts";

const DOCUMENTS = 2500;

/** Asserts what holds for any text at all. */
function expectDiagnostics(text: string): void {
  const source = { path: "config.toml", text };
  const { diagnostics, checked } = checkSource(source);
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  assert.equal(checked === undefined, errors.length > 0);
  for (const { span, labels, hint, fix, message } of diagnostics) {
    const spans = [span, ...(labels ?? []).map((it) => it.span), ...(fix ? [fix.span] : [])];
    for (const { start, end } of spans) {
      assert.ok(0 <= start && start <= end && end <= text.length, `${message}: ${start}..${end}`);
    }
    assert.ok(message !== "" && hint !== "");
    assert.doesNotMatch(message, /undefined|\[object|Invalid TOML|must NOT|additional propert/);
    assert.doesNotMatch(`${hint} ${fix?.label}`, /native code|\[object/);
  }
  const starts = diagnostics.map(({ span }) => span.start);
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  );
  JSON.parse(formatJson(source, diagnostics));
  const printed = formatText(source, diagnostics, { color: true });
  // biome wants no control characters in patterns, so the colours are taken out by hand.
  const plain = printed.split("\x1b[").join("");
  assert.ok(Array.from(plain).every((it) => it === "\n" || it >= " "));
}

function choose(random: Random, texts: readonly string[]): string {
  return random.below(4) === 0 ? new TomlWriter(random).write() : random.pick(texts);
}

test("mutated documents give diagnostics and nothing else", async () => {
  const texts = tomlTexts()
    .map(({ text }) => text)
    .filter((text) => text.length < 4000);
  await withRandom((random) => {
    for (let index = 0; index < DOCUMENTS; index++) {
      const text = mutated(choose(random, texts), random);
      try {
        expectDiagnostics(text);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`${message}\ndocument: ${JSON.stringify(text)}`, { cause: error });
      }
    }
  });
});

test("every prefix of the example is answered", () => {
  const [example] = tomlTexts().filter(({ path }) => path.includes("original-example"));
  assert.ok(example !== undefined);
  for (let end = 0; end < example.text.length; end += 3) {
    expectDiagnostics(example.text.slice(0, end));
  }
});

/** Has a value of every kind, several in each list, and rules that look at two of them. */
const MANY_KINDS = `[server]
listen = ["127.0.0.1:8080", "127.0.0.1:80"]
threads = 2
trusted_proxies = ["10.0.0.0/8", "10.1.0.0/16"]
[security]
drop_privileges_user = "nobody"
[admin]
listen = "127.0.0.1:8080"
[tls]
cert_path = "a.pem"
key_path = "a.key"
certificates = [{ cert_path = "b.pem", key_path = "b.key" }, { cert_path = "c.pem" }]
[upstreams.api]
servers = ["http://127.0.0.1:8080", { url = "https://b:1", weight = 2 }]
health_check = { path = "/", healthy_statuses = [200, 204], timeout_secs = 20 }
[path_routes."example.com"."/"]
type = "Proxy"
upstream = "api"
tls_verify = false
security = { allowed_methods = ["GET", "GET"], allowed_ips = ["10.0.0.1"], denied_ips = ["::1"] }
when = [
  { name = "a", if = 'client in ["10.0.0.2"]', path = "/a" },
  { name = "a", if = 'method == "POST"', type = "Proxy", url = "http://127.0.0.1:80" },
]
[host_routes."*.com"]
path = "/var/www"
security = { allowed_methods = ["GET", "PUT"] }
[[tests]]
request = "GET http://example.com/"
headers = { a = "b" }
expect = { when = "a", headers = { b = "" } }
`;

test("any value may be of any other type", () => {
  const document = readSource({ path: "config.toml", text: MANY_KINDS }, new Report());
  assert.ok(document !== undefined);
  for (const path of document.locator.paths()) {
    const { start, end } = document.locator.value(path);
    for (const odd of ["7", '"odd"', "true", "[]", "[7]", "{ odd = 7 }"])
      expectDiagnostics(MANY_KINDS.slice(0, start) + odd + MANY_KINDS.slice(end));
  }
});

/** Words that every object has, as keys and as values. */
const INHERITED = ["constructor", "toString", "__proto__", "hasOwnProperty"].flatMap((word) => [
  `[logging]\nlevel = ${word}\n`,
  `[server]\n${word} = 1\n`,
  `[path_routes."*"."/"]\n${word} = 1\n`,
  `[path_routes."*"."/"]\nupstream = "${word}"\n`,
  `[path_routes."*"."/"]\nwhen = [{ name = "a", if = 'method == "A" ${word} "B"' }]\n`,
]);

test("words that every object has are names like any other", () => {
  for (const text of INHERITED) {
    expectDiagnostics(text);
    const { diagnostics } = checkSource({ path: "config.toml", text });
    const hints = diagnostics.map(({ hint }) => hint ?? "");
    assert.ok(!hints.some((it) => it.includes("belongs into")), hints.join("\n"));
  }
});

/** smol-toml takes them, since it leaves part of the date to JavaScript. */
const ODD_DATES = ["1979-05-,7", "1979-05-\n7", "1979-05- 7", "1979-05-(7", "1979-05-#7"];

test("dates that only JavaScript reads are refused where they stand", () => {
  for (const date of ODD_DATES) {
    for (const text of [`x = ${date}\n[server]\n`, `x = [1, ${date}, "a"]\n`]) {
      expectDiagnostics(text);
      const { diagnostics } = checkSource({ path: "config.toml", text });
      const [first] = diagnostics;
      assert.equal(first?.code, "toml/bad-value", text);
      assert.equal(first.span.start, text.indexOf("1979"), text);
    }
  }
});

const HOSTILE: readonly (readonly [name: string, text: string])[] = [
  ["nothing", ""],
  ["a byte order mark", "\ufeff"],
  ["NUL", "\0"],
  ["deep arrays", `a = ${"[".repeat(20_000)}`],
  ["deep tables", `a = ${"{a=".repeat(20_000)}`],
  ["a long dotted key", `${"a.".repeat(20_000)}a = 1`],
  ["a long dotted header", `[${"a.".repeat(20_000)}a]`],
  ["a long line", `[server]\nlisten = "${"x".repeat(200_000)}"`],
  ["quotes without end", '"'.repeat(20_000)],
  ["a multi-line string of quotes", `a = """${'"" '.repeat(20_000)}"""`],
  ["a string without end", `[server]\nlisten = "${"x".repeat(20_000)}\nlisten = 1`],
  ["a multi-line string without end", `a = """${"x".repeat(20_000)}\na = 1`],
  ["a literal without end", `a = '''${"it's".repeat(10_000)}\na = 1`],
  ["a short string without end, behind its table", `[a]\nb = 1\nb = "${"x".repeat(40)}\n`],
  ["backslashes", `a = "${"\\\\".repeat(20_000)}"`],
  ["many lines with mistakes", "a b\n".repeat(5_000)],
  ["many unknown keys", Array.from({ length: 2_000 }, (_, at) => `k${at} = 1`).join("\n")],
  ["a prototype", '[__proto__]\nlisten = "x"\n[host_routes.__proto__]\npath = "x"\n'],
  ["names of methods", "[host_routes.constructor]\ntoString = 1\n[upstreams.hasOwnProperty]\n"],
];

for (const [name, text] of HOSTILE) {
  test(`hostile: ${name}`, () => {
    expectDiagnostics(text);
  });
}
