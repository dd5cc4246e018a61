// The listening sockets: for each address one a worker, in worker order, which is the order the
// kernel counts them in when a program chooses between them.

import { constants } from "node:os";
import {
  FILTER_BYTES,
  FILTER_CODE,
  FILTER_IF_FALSE,
  FILTER_IF_TRUE,
  FILTER_OPERAND,
  SOCKADDR_BYTES_MAX,
} from "../../native/abi.ts";
import type { ListenAddress, ReuseportProgram, ServerSettings } from "../data/api.ts";
import type { Addon } from "../native.ts";
import { authorityOf } from "./authority.ts";
import { StartError } from "./start-error.ts";

/** Connections that wait for a worker. */
export const BACKLOG = 8192;

export interface Listeners {
  /** Whether all workers share a socket that was passed to this process. */
  readonly shared: boolean;
  /** For each worker, its descriptors in the order of the addresses. */
  readonly ofWorkers: readonly (readonly number[])[];
  readonly addresses: readonly ListenAddress[];
  readonly urls: readonly string[];
}

/**
 * Binds everything that is not among the `passed` descriptors. Throws a `StartError` for what is
 * taken or forbidden, and for a passed socket that nothing names.
 */
export function openListeners(
  { listen, tls }: ServerSettings,
  workerCount: number,
  passed: readonly number[],
  addon: Addon,
): Listeners {
  const adopted = adoptAll(listen, passed, addon);
  const ports = listen.map((address) => address.port);
  const ofWorkers = Array.from({ length: workerCount }, () =>
    listen.map((address, at) => {
      // The queue of connections is the service manager's and outlives us, so workers share it.
      const fd = adopted.get(at) ?? bind(addon, address, ports[at]!);
      ports[at] = addon.localPort(fd); // port 0: the others join the first one's
      return fd;
    }),
  );
  const urls = listen.map(({ address }, at) => urlOf(address, ports[at]!, tls !== undefined));
  return { ofWorkers, addresses: listen, urls, shared: adopted.size > 0 };
}

function urlOf(address: string, port: number, isTls: boolean): string {
  return `${isTls ? "https" : "http"}://${authorityOf(address, port)}`;
}

/**
 * The listeners of the next configuration: those of the present one where it names the same
 * address, the others bound now. Throws a `StartError`, and binds nothing then.
 */
export function nextListeners(
  present: Listeners,
  { listen, tls }: ServerSettings,
  addon: Addon,
): Listeners {
  const bound: number[] = [];
  try {
    const columns = listen.map((wanted) => {
      const at = present.addresses.findIndex((address) => isSame(address, wanted));
      if (at >= 0) return present.ofWorkers.map((fds) => fds[at]!);
      let { port } = wanted;
      return present.ofWorkers.map(() => {
        const fd = bind(addon, wanted, port);
        bound.push(fd);
        port = addon.localPort(fd);
        return fd;
      });
    });
    return {
      ofWorkers: present.ofWorkers.map((_, worker) => columns.map((fds) => fds[worker]!)),
      addresses: listen,
      urls: listen.map(({ address }, at) =>
        urlOf(address, addon.localPort(columns[at]![0]!), tls !== undefined),
      ),
      shared: present.shared,
    };
  } catch (error) {
    for (const fd of bound) addon.close(fd);
    throw error;
  }
}

function isSame(one: ListenAddress, other: ListenAddress): boolean {
  return one.address === other.address && one.port === other.port;
}

/** Closes what of some listeners others do not have. */
export function closeLeft(old: Listeners, kept: Listeners, addon: Addon): void {
  const stays = new Set(kept.ofWorkers.flat());
  for (const fd of new Set(old.ofWorkers.flat())) if (!stays.has(fd)) addon.close(fd);
}

/** What of the next listeners is new. */
export function newListeners(present: Listeners, next: Listeners): Listeners {
  const known = new Set(present.ofWorkers.flat());
  const ofWorkers = next.ofWorkers.map((fds) => fds.filter((fd) => !known.has(fd)));
  return { ...next, ofWorkers };
}

/** The passed descriptors, by the index of the address they listen on. */
function adoptAll(
  listen: readonly ListenAddress[],
  passed: readonly number[],
  addon: Addon,
): ReadonlyMap<number, number> {
  const named = listen.map(({ address, port }) => {
    const memory = new Uint8Array(SOCKADDR_BYTES_MAX);
    addon.writeSockaddr(memory, 0, address, port);
    return memory.join();
  });
  const adopted = new Map<number, number>();
  for (const fd of passed) {
    const memory = new Uint8Array(SOCKADDR_BYTES_MAX);
    if (addon.adopt(fd, memory, 0) < 0)
      throw new StartError(`descriptor ${fd} was passed and is not a listening TCP socket`);
    const index = named.indexOf(memory.join());
    if (index < 0)
      throw new StartError(
        `a socket on port ${addon.localPort(fd)} was passed that "listen" in [server] does not name`,
      );
    adopted.set(index, fd);
  }
  return adopted;
}

function bind(addon: Addon, { address }: ListenAddress, port: number): number {
  const fd = addon.listen(address, port, BACKLOG);
  if (fd >= 0) return fd;
  const name = authorityOf(address, port);
  switch (-fd) {
    case constants.errno.EADDRINUSE:
      throw new StartError(
        `${name} is in use; stop the other server or change "listen" in [server]`,
      );
    case constants.errno.EACCES:
      throw new StartError(
        `${name} needs a privilege: ports below 1024 are for root or CAP_NET_BIND_SERVICE.\n` +
          "Start as root with drop_privileges_user, give the service AmbientCapabilities=" +
          "CAP_NET_BIND_SERVICE, or lower sysctl net.ipv4.ip_unprivileged_port_start.",
      );
    case constants.errno.EADDRNOTAVAIL:
      throw new StartError(`${name}: this machine has no such address; change "listen"`);
    default:
      throw new StartError(`can't listen on ${name} (errno ${-fd})`);
  }
}

/** Lets the kernel's own hash choose again, where a program did. */
export function detachProgram({ ofWorkers }: Listeners, addon: Addon): void {
  for (const fd of ofWorkers[0] ?? []) addon.attachFilter(fd, new Uint8Array(0), 0, 0);
}

/** Lets a program choose the worker of each connection. Returns why it can't, "" when it does. */
export function attachProgram(
  program: ReuseportProgram,
  { ofWorkers, shared }: Pick<Listeners, "ofWorkers" | "shared">,
  addon: Addon,
): string {
  if (shared) return "the service manager passes one socket for all workers";
  const filter = programBytes(program, ofWorkers.length);
  // Once for each address: the sockets of a group share the program.
  for (const fd of ofWorkers[0] ?? []) {
    const result = addon.attachFilter(fd, filter, 0, filter.length / FILTER_BYTES);
    if (result < 0) return `errno ${-result}; Linux 4.6 or newer is needed`;
  }
  return "";
}

/** The program as the kernel takes it, an array of struct sock_filter. */
export function programBytes(program: ReuseportProgram, workers: number): Uint8Array {
  const rows = program(workers);
  const memory = new Uint8Array(rows.length * FILTER_BYTES);
  const view = new DataView(memory.buffer);
  for (const [index, [code, ifTrue, ifFalse, operand]] of rows.entries()) {
    const at = index * FILTER_BYTES;
    // The kernel's own order, which abi.c holds to be little-endian.
    view.setUint16(at + FILTER_CODE, code, true);
    view.setUint8(at + FILTER_IF_TRUE, ifTrue);
    view.setUint8(at + FILTER_IF_FALSE, ifFalse);
    view.setUint32(at + FILTER_OPERAND, operand, true);
  }
  return memory;
}
