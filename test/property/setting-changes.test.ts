// Settings that no single request shows: each is marked by whether it lets more through, and says
// which requests it is about.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { lower } from "zproxy/compiler/3-lower/lower.ts";
import type { Mark, SettingChange } from "zproxy/compiler/diff/change.ts";
import { regionsOf } from "zproxy/compiler/diff/regions.ts";
import { routeSettings } from "zproxy/compiler/diff/route-settings.ts";
import { settingChanges } from "zproxy/compiler/diff/settings.ts";
import { changesForRestart, type Facts } from "zproxy/runtime/control/bundle.ts";
import type { Config } from "zproxy/schema/config.generated.ts";

/** What a line of a table becomes, how that is marked one way and back, and what it is about. */
type Row = readonly [table: string, from: string, to: string, mark: Mark, about: RegExp | null];

const ROUTE = '[host_routes."*"]\ntype = "Proxy"\nupstream = "api"\n';
const TLS_ROUTE = "host_routes.tls";
const FILE_ROUTE = "host_routes.files";
const OTHER_ROUTES = new Map([
  [TLS_ROUTE, 'type = "Proxy"\nurl = "https://one"'],
  [FILE_ROUTE, 'path = "/srv"'],
]);
const SERVERS = 'servers = ["http://10.0.0.1:80", "http://10.0.0.2:80"]';
const PARTLY = 'servers = ["https://a", "http://b"]';
const SECURITY = 'host_routes."*".security';
const TLS = 'cert_path = "a"\nkey_path = "b"\n';

const ROWS: readonly Row[] = [
  [
    SECURITY,
    "rate_limit_requests_per_min = 60",
    "rate_limit_requests_per_min = 120",
    "wider",
    /more than 60 up to 120 requests a minute/,
  ],
  [SECURITY, "rate_limit_requests_per_min = 60", "", "wider", /more than 60 requests a minute/],
  [
    SECURITY,
    "rate_limit_requests_per_min = 60",
    "rate_limit_requests_per_min = 0",
    "wider",
    /more than 60 requests/,
  ],
  [
    SECURITY,
    "max_chunked_body_size = 100",
    "max_chunked_body_size = 200",
    "wider",
    /more than 100 up to 200 bytes/,
  ],
  [SECURITY, "max_chunked_body_size = 0", "", "wider", /more than 0 up to 10485760 bytes/],
  [
    SECURITY,
    "client_header_timeout_secs = 10",
    "",
    "wider",
    /heads that take more than 10 up to 30 seconds/,
  ],
  [
    SECURITY,
    "",
    "client_body_timeout_secs = 60",
    "wider",
    /pause for more than 30 up to 60 seconds/,
  ],
  [
    SECURITY,
    "backend_connect_timeout_secs = 3",
    "",
    "wider",
    /more than 3 up to 10 seconds to connect/,
  ],
  [SECURITY, "max_idle_connections_per_host = 1", "", "neutral", null],
  [SECURITY, "idle_connection_timeout_secs = 1", "", "neutral", null],
  ["server", "", 'trusted_proxies = ["10.0.0.0/8"]', "wider", /from 10\.0\.0\.0\/8, now believed/],
  [
    "server",
    'trusted_proxies = ["10.1.0.0/16"]',
    'trusted_proxies = ["10.0.0.0/8"]',
    "wider",
    /now believed/,
  ],
  [
    "server",
    'trusted_proxies = ["10.0.0.0/9", "10.128.0.0/9"]',
    'trusted_proxies = ["10.0.0.0/8"]',
    "neutral",
    null,
  ],
  ["server", "threads = 1", "threads = 2", "neutral", null],
  [
    "server",
    "shutdown_timeout_secs = 5",
    "shutdown_timeout_secs = 9",
    "neutral",
    /more than 5 up to 9 seconds/,
  ],
  ["admin", "", 'listen = "127.0.0.1:9090"', "wider", /to 127\.0\.0\.1:9090, now taken/],
  ["admin", 'listen = "127.0.0.1:9090"', 'listen = "0.0.0.0:9090"', "wider", /to 0\.0\.0\.0:9090/],
  ["security", "max_concurrent_connections = 10", "", "wider", /there are more than 10 already/],
  ["security", 'drop_privileges_user = "nobody"', "", "wider", null],
  ["security", 'drop_privileges_user = "nobody"', 'drop_privileges_user = "www"', "neutral", null],
  ["tls", TLS, `${TLS}min_version = "1.3"`, "narrower", /TLS 1\.2 at most/],
  ["tls", TLS, "", "wider", null],
  ["tls", TLS, TLS.replace('"a"', '"c"'), "neutral", null],
  ["tls", TLS, `${TLS}ktls_enabled = true`, "neutral", null],
  [TLS_ROUTE, "", "tls_verify = false", "wider", /certificate is not trusted/],
  [TLS_ROUTE, 'tls_ca_path = "ca.pem"', "", "wider", /another authority/],
  [FILE_ROUTE, "", 'mode = "memory"', "neutral", null],
  ["upstreams.api", "", 'algorithm = "ip_hash"', "neutral", /which server/],
  [
    "upstreams.api",
    SERVERS,
    'servers = [{ url = "http://10.0.0.1:80", weight = 3 }, "http://10.0.0.2:80"]',
    "neutral",
    /10\.0\.0\.1:80 50 % becomes 75 %, http:\/\/10\.0\.0\.2:80 50 % becomes 25 %/,
  ],
  [
    "upstreams.api",
    SERVERS,
    'servers = ["http://10.0.0.1:80"]',
    "neutral",
    /50 % becomes 100 %.*50 % becomes 0 %/,
  ],
  ["upstreams.api", 'servers = ["https://a", "https://b"]', PARTLY, "wider", /http:\/\/b 0 %/],
  ["upstreams.api", PARTLY, 'servers = ["http://a", "http://b"]', "wider", /http:\/\/a 0 %/],
  [
    "upstreams.api",
    PARTLY,
    'servers = ["https://a", "http://b", "https://c"]',
    "narrower",
    /b 50 %/,
  ],
  ["upstreams.api", 'servers = ["https://a"]', 'servers = ["https://b"]', "neutral", /0 %/],
  ["upstreams.api", "", "health_check = {}", "neutral", /passed over/],
  ["upstreams.api.health_check", "", "unhealthy_threshold = 9", "neutral", /how soon/],
  ["upstreams.api.health_check", "", "healthy_statuses = [200]", "neutral", /statuses/],
  ["logging", "", 'level = "error"', "neutral", null],
  ["logging", "", "access_log = true", "neutral", null],
  ["performance", "", 'io = "epoll"', "neutral", null],
];

/** A configuration with a line in a table; what is checked elsewhere need not hold. */
function configWith(table: string, line: string): Config {
  const sections = new Map([
    ...OTHER_ROUTES,
    ["server", 'listen = "127.0.0.1:80"'],
    ["upstreams.api", line.startsWith("servers") ? "" : SERVERS],
  ]);
  const own = sections.get(table);
  sections.set(table, [own ?? "", line].join("\n"));
  if (table === "admin" && line === "") sections.delete(table);
  if (table === "tls" && line === "") sections.delete(table);
  const before = table === 'host_routes."*"' ? `${ROUTE}${line}\n` : ROUTE;
  sections.delete('host_routes."*"');
  const rest = [...sections].map(([name, text]) => `[${name}]\n${text}\n`).join("\n");
  const text = `${rest}\n${before}`;
  return parsed(text);
}

function parsed(text: string): Config {
  const { checked, diagnostics } = checkSource({ path: "config.toml", text });
  assert.ok(checked !== undefined, `${text}\n${diagnostics.map((it) => it.message).join("\n")}`);
  return checked.config;
}

/** All of `zproxy diff` that is about settings. */
function changesOf(before: Config, after: Config): SettingChange[] {
  const regions = regionsOf(lower(before), lower(after));
  return [...settingChanges(before, after), ...routeSettings(regions)];
}

const OPPOSITE: Readonly<Record<Mark, Mark>> = {
  wider: "narrower",
  narrower: "wider",
  neutral: "neutral",
};
const ORDER: readonly Mark[] = ["narrower", "neutral", "wider"];

for (const [table, from, to, mark, about] of ROWS) {
  test(`${table}: ${from || "nothing"} becomes ${to || "nothing"}`, () => {
    const [old, young] = [configWith(table, from), configWith(table, to)];
    const strongest = (changes: readonly SettingChange[]): Mark | undefined =>
      changes.map((it) => it.mark).sort((a, b) => ORDER.indexOf(b) - ORDER.indexOf(a))[0];
    const changes = changesOf(old, young);
    assert.ok(changes.length > 0);
    assert.equal(strongest(changes), mark);
    assert.equal(strongest(changesOf(young, old)), OPPOSITE[mark]);
    const texts = changes.flatMap(({ requests }) => requests ?? []);
    if (about !== null) assert.match(texts.join("\n"), about);
    else assert.deepEqual(texts, []);
    assert.deepEqual(changesOf(old, old), []);
  });
}

test("a listener of all addresses includes one of them", () => {
  const listen = (addresses: string): Config => ({ server: { listen: addresses } });
  const mark = (old: string, young: string): Mark | undefined =>
    settingChanges(listen(old), listen(young))[0]?.mark;
  assert.equal(mark("0.0.0.0:80", "127.0.0.1:80"), "narrower");
  assert.equal(mark("127.0.0.1:80", "0.0.0.0:80"), "wider");
  assert.equal(mark("[::]:80", "0.0.0.0:80"), "wider");
  assert.equal(mark("127.0.0.1:80", "127.0.0.1:81"), "wider");
});

test("what takes a restart is what the server says takes one", () => {
  const user = '[security]\ndrop_privileges_user = "nobody"\ndrop_privileges_group = "nogroup"\n';
  const old = parsed('[server]\nlisten = "127.0.0.1:80"\n');
  const young = parsed(`[server]
listen = "127.0.0.1:81"
threads = 2
shutdown_timeout_secs = 1
trusted_proxies = ["10.0.0.1"]
${user}max_concurrent_connections = 5
[logging]
level = "error"
file_path = "log"
access_log = true
channel_size = 1000
flush_interval_ms = 50
max_log_size = 100000
[performance]
io = "epoll"
reuseport_balancing = "cbpf"
huge_pages_enabled = true
[admin]
listen = "127.0.0.1:90"
[tls]
${TLS}`);
  const facts = (config: Config) => ({ server: lower(config).server }) as unknown as Facts;
  const marked = settingChanges(old, young).filter(({ takesRestart }) => takesRestart);
  assert.deepEqual(
    marked.map(({ key }) => key).sort(),
    changesForRestart(facts(old), facts(young)).sort(),
  );
  assert.ok(marked.length > 0);
});

test("a group may have the name of a setting, or of what every object has", () => {
  const config = (groups: string): Config => parsed(`[server]\nlisten = "127.0.0.1:80"\n${groups}`);
  for (const name of ["listen", "constructor", "toString", "__proto__"]) {
    const changes = settingChanges(config(""), config(`[upstreams.${name}]\n${SERVERS}\n`));
    const key = `upstreams.${name}`;
    assert.deepEqual(changes, [{ key, mark: "neutral", before: "absent", after: "present" }]);
  }
});
