// Facts about the kernel and what it grants this process: rings, memory, descriptors, CPUs.

import { ENGINE_IO_URING, ENOENT, FILTER_BYTES, OWNER_MAX } from "../../native/abi.ts";
import type { Program } from "../data/api.ts";
import { arenaBytes, GROUPS } from "../data/buffers.ts";
import { error, type HostFact, ok, warning } from "./host-fact.ts";
import type { Machine } from "./host-machine.ts";
import { HUGE_PAGE_BYTES } from "./huge-pages.ts";
import { BACKLOG, programBytes } from "./listeners.ts";
import { BUFFER_COUNTS, BUFFER_RING_ENTRIES, CQ_ENTRIES, SQ_ENTRIES } from "./worker-sizes.ts";

const KERNEL_MIN = [6, 1] as const;
/** Descriptors of Node, the log, the control side; and of each worker beside its connections. */
const FILES_OF_PROCESS = 64;
const FILES_OF_WORKER = 32;
/** Where nothing says how many clients there may be, fewer than this is worth a word. */
const CLIENTS_EXPECTED = 4096;

export function kernelFacts(program: Program, machine: Machine): HostFact[] {
  const { server } = program;
  const workers = workerCount(program, machine);
  return [
    kernelVersion(machine),
    ioUring(program, machine),
    ...(server.io === "epoll" ? [] : rings(machine)),
    cpus(machine, workers),
    openFiles(program, machine, workers),
    backlog(machine),
    ...(server.hugePages === true ? [hugePages(machine, workers)] : []),
    ...(server.tls?.ktls === undefined ? [] : [kernelTls(server.tls.ktls, machine)]),
    ...(server.reuseportProgram === undefined ? [] : [balancing(program, machine, workers)]),
  ];
}

function workerCount({ server }: Program, { addon }: Machine): number {
  return server.threads === 0 ? addon.allowedCpus().length : server.threads;
}

function kernelVersion({ release }: Machine): HostFact {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const name = "kernel";
  const isNew = major > KERNEL_MIN[0] || (major === KERNEL_MIN[0] && minor >= KERNEL_MIN[1]);
  if (isNew) return ok(name, `Linux ${release}`);
  return warning(
    name,
    `Linux ${release} is older than ${KERNEL_MIN.join(".")}, so epoll serves instead of io_uring`,
    `run a kernel from ${KERNEL_MIN.join(".")} on`,
  );
}

function ioUring({ server }: Program, machine: Machine): HostFact {
  const name = "io_uring";
  if (server.io === "epoll") return ok(name, 'not used: io = "epoll"');
  const { ioUring: usable, cause, remedy } = machine.addon.probe();
  const filtered = /^Seccomp:\s*2$/m.test(machine.readText("/proc/self/status"));
  if (usable) return ok(name, "usable");
  const text = `${sentenceEnd(cause)}${filtered ? "; a seccomp filter is in force" : ""}`;
  return server.io === "io_uring"
    ? error(name, text, `${sentenceEnd(remedy)}, or set io = "auto" in [performance]`)
    : warning(name, `${text}; epoll serves instead`, sentenceEnd(remedy));
}

/** "One. Two." as part of a longer sentence. */
function sentenceEnd(text: string): string {
  return text.replace(/\.$/, "");
}

/** Opens what a worker opens, and closes it again. */
function rings(machine: Machine): HostFact[] {
  const name = "rings";
  const { addon } = machine;
  if (!addon.probe().ioUring) return []; // said already
  const limit = limitOf(machine.readText("/proc/self/limits"), "Max locked memory").soft;
  const allowed = Number.isFinite(limit) ? `${limit / 1024} KiB` : "unlimited";
  // The last owner: no worker has this number.
  const ring = addon.ringOpen(OWNER_MAX, SQ_ENTRIES, CQ_ENTRIES, ENGINE_IO_URING);
  const results =
    typeof ring === "number"
      ? [ring]
      : GROUPS.map((group) => addon.ringBuffers(ring.handle, group, BUFFER_RING_ENTRIES));
  addon.releaseOwner(OWNER_MAX);
  const failed = results.find((result) => typeof result === "number");
  if (failed === undefined)
    return [ok(name, `a worker's rings can be made (memory to lock: ${allowed})`)];
  return [
    error(
      name,
      `a worker's rings can't be made (errno ${-failed}; memory to lock: ${allowed})`,
      "raise the limit for locked memory (LimitMEMLOCK=infinity, ulimit -l)",
    ),
  ];
}

function cpus(machine: Machine, workers: number): HostFact {
  const name = "CPUs";
  const allowed = machine.addon.allowedCpus().length;
  const text = `${workers} worker(s) on ${allowed} CPU(s)`;
  const [quota = "max", period = "100000"] = machine
    .readText("/sys/fs/cgroup/cpu.max")
    .split(/\s+/);
  const granted = quota === "max" || quota === "" ? allowed : Number(quota) / Number(period);
  if (workers > Math.ceil(granted) && granted < allowed)
    return warning(
      name,
      `${text}, of which this control group may use ${granted}`,
      `set threads = ${Math.max(1, Math.ceil(granted))} in [server], or raise the quota`,
    );
  if (workers > allowed)
    return warning(
      name,
      `${text}: some will share one`,
      `set threads = ${allowed}, or 0 for as many as there are`,
    );
  return ok(name, text);
}

/** The limits of /proc/self/limits; Infinity for "unlimited", NaN when they are hidden. */
function limitOf(limits: string, row: string): { soft: number; hard: number } {
  const found = new RegExp(`^${row}\\s+(\\S+)\\s+(\\S+)`, "m").exec(limits);
  const [soft, hard] = [found?.[1], found?.[2]].map((text) =>
    text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text),
  );
  return { soft: soft!, hard: hard! };
}

function openFiles(program: Program, machine: Machine, workers: number): HostFact {
  const name = "open files";
  const { hard } = limitOf(machine.readText("/proc/self/limits"), "Max open files");
  const clients = program.server.maxConcurrentConnections;
  const perClient = program.upstreams.length > 0 ? 2 : 1;
  const rest = FILES_OF_PROCESS + workers * FILES_OF_WORKER;
  const room = Math.max(0, Math.floor((hard - rest) / perClient));
  const wanted = clients === 0 ? CLIENTS_EXPECTED : clients;
  if (Number.isNaN(hard)) return ok(name, "the limit can't be read");
  if (room >= wanted) return ok(name, `${hard}, enough for ${room} clients at once`);
  const needed = wanted * perClient + rest;
  const reason = clients === 0 ? "" : `, and max_concurrent_connections is ${clients}`;
  return warning(
    name,
    `the hard limit is ${hard}, enough for ${room} clients at once${reason}`,
    `raise it to ${needed} or more (LimitNOFILE=${needed}, ulimit -Hn, --ulimit nofile=${needed})`,
  );
}

function backlog(machine: Machine): HostFact {
  const name = "backlog";
  const text = machine.readText("/proc/sys/net/core/somaxconn").trim();
  if (text === "") return ok(name, "net.core.somaxconn can't be read");
  if (Number(text) >= BACKLOG) return ok(name, `${BACKLOG} connections may wait for each worker`);
  return warning(
    name,
    `net.core.somaxconn lets ${text} connections wait for each worker instead of ${BACKLOG}`,
    `run "sysctl net.core.somaxconn=${BACKLOG}"`,
  );
}

function hugePages(machine: Machine, workers: number): HostFact {
  const name = "huge pages";
  const needed = Math.ceil(arenaBytes(BUFFER_COUNTS, 0) / HUGE_PAGE_BYTES) * workers;
  const meminfo = machine.readText("/proc/meminfo");
  const free = Number(/^HugePages_Free:\s*(\d+)$/m.exec(meminfo)?.[1] ?? 0);
  const isUsual = /^Hugepagesize:\s*2048 kB$/m.test(meminfo);
  if (isUsual && free >= needed) return ok(name, `${free} are free, ${needed} are needed`);
  const setting = machine.readText("/sys/kernel/mm/transparent_hugepage/enabled");
  const others = /\[(always|madvise)\]/.test(setting) ? "transparent huge" : "ordinary";
  return warning(
    name,
    `${free} are free and ${needed} are needed; the rest will be ${others} pages`,
    `run "sysctl vm.nr_hugepages=${needed}", best early after boot`,
  );
}

function kernelTls(wanted: "preferred" | "required", { addon }: Machine): HostFact {
  const name = "kTLS";
  const result = addon.ktlsProbe();
  // Clients are offered no others; whether the kernel's crypto has each is known with the first.
  if (result >= 0) return ok(name, "the kernel has it, for AES-GCM and ChaCha20-Poly1305");
  const text =
    result === -ENOENT ? "this kernel has no TLS" : `it can't be used (errno ${-result})`;
  const remedy = 'load the module ("modprobe tls"), or set ktls_enabled = false';
  return wanted === "required"
    ? error(name, `${text}, and ktls_fallback_enabled is false`, remedy)
    : warning(name, `${text}; TLS stays in user space`, remedy);
}

/** Attaches the program to a socket that nobody knows of. */
function balancing({ server }: Program, { addon }: Machine, workers: number): HostFact {
  const name = "reuseport_balancing";
  const filter = programBytes(server.reuseportProgram!, workers);
  const fd = addon.listen("127.0.0.1", 0, 1);
  const result = fd < 0 ? fd : addon.attachFilter(fd, filter, 0, filter.length / FILTER_BYTES);
  if (fd >= 0) addon.close(fd);
  if (result >= 0) return ok(name, `the kernel takes the program for ${workers} worker(s)`);
  return warning(
    name,
    `the kernel does not take the program (errno ${-result}); its own hash balances`,
    "run a kernel from 4.6 on that lets this process attach socket filters",
  );
}
