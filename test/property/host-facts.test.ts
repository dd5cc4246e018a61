// The facts of a host check about machines that this one is not: each table row changes something
// about a machine on which all is well.

import assert from "node:assert/strict";
import type { Stats } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { ENOENT } from "../../native/abi.ts";
import { checkMachine } from "../../runtime/control/host-check.ts";
import { formatFacts, type HostFact } from "../../runtime/control/host-fact.ts";
import type { Access, Account, Machine } from "../../runtime/control/host-machine.ts";
import { type Addon, loadAddon } from "../../runtime/native.ts";
import { proxyRoute } from "../lib/config.ts";
import { loadProgram } from "../lib/generated-program.ts";

const realAddon = loadAddon(resolve("native/build/Release/zproxy.node"));

const NOBODY = 65534;
const ROOT_STATUS = "CapEff:\t000001ffffffffff\nSeccomp:\t0\n";
/** Root in a container that has taken all from it but SETUID and SETGID. */
const SETUID_STATUS = "CapEff:\t00000000000000c0\nSeccomp:\t0\n";

/** The kernel's files of a machine on which all is well. */
const FILES: Readonly<Record<string, string>> = {
  "/proc/self/status": ROOT_STATUS,
  "/proc/self/limits": [
    "Max open files            1024                 1048576              files",
    "Max locked memory         8388608              8388608              bytes",
  ].join("\n"),
  "/proc/sys/net/core/somaxconn": "65535\n",
  "/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
  "/proc/meminfo": "HugePages_Free:     4096\nHugepagesize:       2048 kB\n",
  "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
  "/sys/fs/cgroup/cpu.max": "max 100000\n",
};

/** Calls of an addon for which every address is there and the kernel can do everything. */
const CALLS: Partial<Addon> = {
  probe: () => ({ ioUring: true, cause: "", remedy: "" }),
  allowedCpus: () => [0, 1, 2, 3],
  ktlsProbe: () => 0,
  userId: (name) => (name === "nobody" ? NOBODY : -ENOENT),
  userGroupId: () => NOBODY,
};

interface Differences {
  readonly files?: Readonly<Record<string, string>>;
  readonly calls?: Partial<Addon>;
  readonly machine?: Partial<Machine>;
}

function machineWith({ files = {}, calls = {}, machine = {} }: Differences): Machine {
  const texts = { ...FILES, ...files };
  return {
    platform: "linux",
    release: "6.12.0-fake",
    uid: 0,
    addon: { ...realAddon, ...CALLS, ...calls },
    readText: (path) => texts[path] ?? "",
    stat: () => undefined,
    linkStat: () => undefined,
    access: (wanted) => wanted.map(() => ""),
    resolve: () => Promise.resolve(""),
    holderOf: () => undefined,
    ...machine,
  };
}

/** A configuration that depends on everything there are facts about, but files. */
function configOf({
  listen = "127.0.0.1:8080",
  server = "",
  performance = "",
  tls = "",
} = {}): string {
  return `[server]
listen = "${listen}"
${server}
[performance]
huge_pages_enabled = true
reuseport_balancing = "cbpf"
${performance}
[security]
drop_privileges_user = "nobody"
[logging]
file_path = "/var/log/zproxy/server.log"
${tls}
${proxyRoute("/", "http://backend.example:9000")}`;
}

async function factsOf(toml: string, machine: Machine): Promise<readonly HostFact[]> {
  const { files, diagnostics } = compile({ path: "config.toml", text: toml });
  assert.ok(files.length > 0, JSON.stringify(diagnostics));
  return checkMachine(await loadProgram(files), machine, ["/srv/dist/server.cjs"]);
}

/** A line of /proc/net/tcp or tcp6 for a socket that listens. */
function listening(address: string, port: number, inode: number): string {
  const local = `${address}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rest = "0A 00000000:00000000 00:00000000 00000000     0        0";
  return `   0: ${local} 00000000:0000 ${rest} ${inode} 1 0000000000000000 100 0 0 10 0\n`;
}

const HOLDER = { pid: 77, command: "nginx: master process" };

function refusing(pattern: RegExp, uid?: number): Partial<Machine> {
  return {
    access: (wanted: readonly Access[], account?: Account) =>
      wanted.map(({ path }) => (pattern.test(path) && account?.uid === uid ? "EACCES" : "")),
  };
}

function refusingAddress(refused: string, errno: number): Addon["listen"] {
  return (address, port, backlog) =>
    address === refused ? -errno : realAddon.listen(address, port, backlog);
}

test("where all is well, nothing else is said, and every part was looked at", async () => {
  const facts = await factsOf(configOf(), machineWith({}));
  assert.deepEqual(
    facts.filter(({ status }) => status !== "ok"),
    [],
  );
  assert.deepEqual(
    facts.map(({ name }) => name),
    [
      ...["kernel", "io_uring", "rings", "CPUs", "open files", "backlog", "huge pages"],
      ...["reuseport_balancing", "listen 127.0.0.1:8080", "user", "log"],
      ...["as nobody (uid 65534, gid 65534)", "name backend.example"],
    ],
  );
});

type Row = readonly [
  what: string,
  config: Parameters<typeof configOf>[0],
  differences: Differences,
  expected: readonly [name: string, status: HostFact["status"], text: RegExp, remedy: RegExp],
];

const NO_RING = { ioUring: false, cause: "io_uring is forbidden.", remedy: "Allow it." };

const ROWS: readonly Row[] = [
  [
    "an old kernel",
    {},
    { machine: { release: "5.15.0-91-generic" } },
    ["kernel", "warning", /5\.15\.0.* older than 6\.1/, /6\.1/],
  ],
  [
    "io_uring forbidden by seccomp, and epoll allowed",
    {},
    {
      calls: { probe: () => NO_RING },
      files: { "/proc/self/status": ROOT_STATUS.replace("Seccomp:\t0", "Seccomp:\t2") },
    },
    ["io_uring", "warning", /forbidden; a seccomp filter is in force; epoll serves/, /Allow it$/],
  ],
  [
    "io_uring forbidden, and wanted",
    { performance: 'io = "io_uring"' },
    { calls: { probe: () => NO_RING } },
    ["io_uring", "error", /forbidden$/, /io = "auto"/],
  ],
  [
    "no memory to lock for rings",
    {},
    { calls: { ringOpen: () => -constants.errno.ENOMEM } },
    ["rings", "error", /errno 12; memory to lock: 8192 KiB/, /LimitMEMLOCK/],
  ],
  [
    "more workers than CPUs",
    { server: "threads = 6" },
    {},
    ["CPUs", "warning", /6 worker\(s\) on 4 CPU\(s\)/, /threads = 4/],
  ],
  [
    "a control group's quota",
    {},
    { files: { "/sys/fs/cgroup/cpu.max": "150000 100000\n" } },
    ["CPUs", "warning", /may use 1\.5/, /threads = 2/],
  ],
  [
    "fewer files than clients need",
    {},
    {
      files: { "/proc/self/limits": "Max open files            1024      4096      files\n" },
    },
    ["open files", "warning", /4096, enough for 1952 clients/, /LimitNOFILE=8384/],
  ],
  [
    "a short backlog",
    {},
    { files: { "/proc/sys/net/core/somaxconn": "128\n" } },
    ["backlog", "warning", /128 connections/, /net\.core\.somaxconn=8192/],
  ],
  [
    "no huge pages in reserve",
    { server: "threads = 2" },
    { files: { "/proc/meminfo": "HugePages_Free:        0\nHugepagesize:       2048 kB\n" } },
    ["huge pages", "warning", /0 are free and \d+ are needed.*transparent huge/, /nr_hugepages=/],
  ],
  [
    "a kernel that takes no program",
    {},
    { calls: { attachFilter: () => -constants.errno.EPERM } },
    ["reuseport_balancing", "warning", /errno 1\)/, /4\.6/],
  ],
  [
    "a low port without the capability",
    { listen: "127.0.0.1:443" },
    { files: { "/proc/self/status": SETUID_STATUS } },
    ["listen 127.0.0.1:443", "error", /below 1024/, /CAP_NET_BIND_SERVICE/],
  ],
  [
    "a port in use",
    {},
    {
      files: { "/proc/net/tcp": listening("0100007F", 8080, 5) },
      machine: { holderOf: (inode) => (inode === "5" ? HOLDER : undefined) },
    },
    ["listen 127.0.0.1:8080", "error", /in use by nginx.*pid 77/, /stop it/],
  ],
  [
    "a port in use on every address of IPv6, by nobody knows whom",
    {},
    { files: { "/proc/net/tcp6": listening("0".repeat(32), 8080, 5) } },
    ["listen 127.0.0.1:8080", "error", /in use by another process/, /ss -ltnp/],
  ],
  [
    "a port in use on one address, wanted on all",
    { listen: "[::]:8080" },
    { files: { "/proc/net/tcp": listening("0100007F", 8080, 5) } },
    ["listen [::]:8080", "error", /in use/, /ss -ltnp/],
  ],
  [
    "a port in use on the same address of IPv6",
    { listen: "[::1]:8080" },
    { files: { "/proc/net/tcp6": listening(`${"0".repeat(24)}01000000`, 8080, 5) } },
    ["listen [::1]:8080", "error", /in use/, /ss -ltnp/],
  ],
  [
    "an address that is not this machine's",
    { listen: "192.0.2.1:8080" },
    { calls: { listen: refusingAddress("192.0.2.1", constants.errno.EADDRNOTAVAIL) } },
    ["listen 192.0.2.1:8080", "error", /no such address/, /change "listen"/],
  ],
  [
    "no IPv6",
    { listen: "[::1]:8080" },
    { calls: { listen: refusingAddress("::1", constants.errno.EAFNOSUPPORT) } },
    ["listen [::1]:8080", "error", /no IPv6/, /IPv4/],
  ],
  [
    "a user that nobody has",
    {},
    { calls: { userId: () => -ENOENT } },
    ["user", "error", /there is no user nobody/, /create it/],
  ],
  [
    "a start without root",
    {},
    { machine: { uid: 1000 } },
    ["user", "warning", /unless the server is started as root/, /start as root/],
  ],
  [
    "a root that may not change",
    {},
    { files: { "/proc/self/status": "CapEff:\t0000000000000400\n" } },
    ["user", "error", /may not become nobody/, /SETUID and SETGID/],
  ],
  [
    "a log in a closed folder",
    {},
    { machine: refusing(/^\/var\/log\/zproxy$/) },
    ["log", "error", /can't be written \(EACCES\)/, /create the folder/],
  ],
  [
    "a log that the user can't rotate",
    {},
    { machine: refusing(/^\/var\/log\/zproxy$/, NOBODY) },
    ["log", "warning", /nobody .* can't be rotated/, /max_log_size = 0/],
  ],
  [
    "a log that is a link",
    {},
    { machine: { linkStat: () => ({ isSymbolicLink: () => true }) as Stats } },
    ["log", "error", /server\.log is a symbolic link, and root opens none/, /remove it/],
  ],
  [
    "a server that the user can't read",
    {},
    {
      machine: {
        ...refusing(/server\.cjs/, NOBODY),
        stat: () => ({ isDirectory: () => false, isFile: () => true }) as Stats,
      },
    },
    ["as nobody (uid 65534, gid 65534)", "error", /can't read \/srv\/dist\/server\.cjs/, /enter/],
  ],
  [
    "a user that can't start node",
    {},
    { machine: { access: (wanted, account) => (account ? undefined : wanted.map(() => "")) } },
    ["as nobody (uid 65534, gid 65534)", "warning", /nothing can be tried/, /let it/],
  ],
  [
    "a name that does not resolve",
    {},
    { machine: { resolve: () => Promise.resolve("ENOTFOUND") } },
    ["name backend.example", "warning", /ENOTFOUND/, /DNS/],
  ],
];

for (const [what, config, differences, [name, status, text, remedy]] of ROWS) {
  test(`${what}: a fact with a remedy, and only that`, async () => {
    const facts = await factsOf(configOf(config), machineWith(differences));
    const fact = facts.find((each) => each.name === name);
    assert.ok(fact !== undefined, formatFacts(facts));
    assert.equal(fact.status, status, formatFacts(facts));
    assert.match(fact.text, text);
    assert.match(fact.remedy, remedy);
    const others = facts.filter((each) => each.status !== "ok" && each !== fact);
    assert.deepEqual(others, []);
  });
}

test("ports that others hold elsewhere are free", async () => {
  const files = {
    "/proc/net/tcp": listening("0100007F", 8081, 5) + listening("0200007F", 8080, 6),
    "/proc/net/tcp6": listening(`${"0".repeat(24)}01000000`, 8080, 7),
  };
  const facts = await factsOf(configOf(), machineWith({ files }));
  assert.equal(facts.find(({ name }) => name.startsWith("listen"))?.text, "free");
});

test("a port that this very server, or systemd for it, holds is no mistake", async () => {
  for (const command of ["node dist/server.cjs", "node /srv/server.cjs", "systemd --system"]) {
    const facts = await factsOf(
      configOf(),
      machineWith({
        files: { "/proc/net/tcp": listening("00000000", 8080, 5) },
        machine: { holderOf: () => ({ pid: 7, command }) },
      }),
    );
    const fact = facts.find(({ name }) => name.startsWith("listen"));
    assert.equal(fact?.status, "ok", command);
    assert.ok(fact?.text.includes(command));
  }
});

test("kTLS that is missing is a warning, or an error where falling back is off", async () => {
  const calls = { ktlsProbe: () => -ENOENT };
  const tls = (fallback: boolean) =>
    `[tls]\ncert_path = "none.pem"\nkey_path = "none.key"\nktls_enabled = true\nktls_fallback_enabled = ${fallback}\n`;
  for (const [fallback, status] of [
    [true, "warning"],
    [false, "error"],
  ] as const) {
    const facts = await factsOf(configOf({ tls: tls(fallback) }), machineWith({ calls }));
    const found = facts.find(({ name }) => name === "kTLS");
    assert.equal(found?.status, status);
    assert.match(found?.remedy ?? "", /modprobe tls/);
    assert.equal(facts.filter(({ text }) => /kTLS|no TLS/.test(text)).length, 1, "said once");
  }
});
