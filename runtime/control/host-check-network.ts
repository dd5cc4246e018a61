// Facts about addresses: whether ports are free and allowed, and whether names resolve. Nothing is
// opened on a configured port, so a server that runs there does not notice.

import { isIP } from "node:net";
import { constants } from "node:os";
import type { ListenAddress, Program } from "../data/api.ts";
import { authorityOf } from "./authority.ts";
import { error, type HostFact, ok, warning } from "./host-fact.ts";
import type { Machine } from "./host-machine.ts";
import { isCapable } from "./privileges.ts";

const CAP_NET_BIND_SERVICE = 10;
/** TCP_LISTEN, as /proc/net/tcp prints it. */
const STATE_LISTEN = "0A";
const BYTES_OF_IPV6 = 16;

export function listenerFacts({ server }: Program, machine: Machine): HostFact[] {
  const listening = listeningSockets(machine);
  const facts = server.listen.map((it) => listenerFact("listen", it, listening, machine));
  if (server.admin !== undefined)
    facts.push(listenerFact("admin", server.admin, listening, machine));
  return facts;
}

export async function nameFacts({ upstreams }: Program, machine: Machine): Promise<HostFact[]> {
  const hosts = upstreams.flatMap(({ servers }) => servers.map(({ host }) => host));
  const names = [...new Set(hosts.filter((host) => isIP(host) === 0))];
  return Promise.all(
    names.map(async (host) => {
      const reason = await machine.resolve(host);
      if (reason === "") return ok(`name ${host}`, "resolves");
      return warning(
        `name ${host}`,
        `does not resolve (${reason}); until it does, its server is left out`,
        "correct the name in the url, or this machine's DNS",
      );
    }),
  );
}

/** A socket that listens: its address as the kernel's hexadecimal bytes turned round. */
interface Listening {
  readonly bytes: readonly number[];
  readonly port: number;
  readonly inode: string;
}

function listeningSockets(machine: Machine): Listening[] {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => machine.readText(path));
  return tables.flatMap((table) =>
    table.split("\n").flatMap((line) => {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (state !== STATE_LISTEN) return [];
      // Words of 32 bits, each in the byte order of this machine.
      const words = address.match(/.{8}/g) ?? [];
      const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].reverse());
      return [{ bytes, port: Number.parseInt(port, 16), inode }];
    }),
  );
}

function listenerFact(
  kind: string,
  { address, port }: ListenAddress,
  listening: readonly Listening[],
  machine: Machine,
): HostFact {
  const name = `${kind} ${authorityOf(address, port)}`;
  const missing = addressProblem(name, address, machine);
  if (missing !== undefined) return missing;
  if (port === 0) return ok(name, "the kernel chooses a port");
  const first = Number(machine.readText("/proc/sys/net/ipv4/ip_unprivileged_port_start") || 1024);
  if (port < first && !isCapable(machine.readText("/proc/self/status"), CAP_NET_BIND_SERVICE))
    return error(
      name,
      `ports below ${first} need a privilege that this process has not`,
      "start as root with drop_privileges_user, give the service AmbientCapabilities=" +
        `CAP_NET_BIND_SERVICE, or run "sysctl net.ipv4.ip_unprivileged_port_start=${port}"`,
    );
  const taken = listening.find((socket) => socket.port === port && overlaps(socket, address));
  return taken === undefined ? ok(name, "free") : takenFact(name, taken, machine);
}

/** Asks the kernel for any port of the address. */
function addressProblem(name: string, address: string, { addon }: Machine): HostFact | undefined {
  const fd = addon.listen(address, 0, 1);
  if (fd >= 0) {
    addon.close(fd);
    return undefined;
  }
  if (-fd === constants.errno.EADDRNOTAVAIL)
    return error(name, "this machine has no such address", `change "listen", or add the address`);
  if (-fd === constants.errno.EAFNOSUPPORT)
    return error(name, "this machine has no IPv6", "enable IPv6, or listen on IPv4");
  return error(name, `the address can't be listened on (errno ${-fd})`, 'change "listen"');
}

/** Whether a socket keeps another one from listening on the address, ports being equal. */
function overlaps({ bytes }: Listening, address: string): boolean {
  const wanted = bytesOf(address);
  const isAny = (it: readonly number[]): boolean => it.every((byte) => byte === 0);
  // "::" takes clients of IPv4 as well.
  if (isAny(bytes) && bytes.length >= wanted.length) return true;
  if (isAny(wanted) && wanted.length >= bytes.length) return true;
  return bytes.join() === wanted.join();
}

/** The bytes of an address literal, 4 or 16. */
function bytesOf(address: string): number[] {
  if (!address.includes(":")) return address.split(".").map(Number);
  // URL knows every spelling and prints one, without an IPv4 part.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const bytes = (part: string): number[] =>
    part
      .split(":")
      .filter((group) => group !== "")
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
  if (tail === undefined) return bytes(head);
  const [before, after] = [bytes(head), bytes(tail)];
  const zeros = Array<number>(BYTES_OF_IPV6 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after];
}

function takenFact(name: string, { inode }: Listening, machine: Machine): HostFact {
  const holder = machine.holderOf(inode);
  if (holder === undefined)
    return error(
      name,
      "in use by another process",
      `find it as root with "ss -ltnp", stop it, or change "listen"`,
    );
  const who = `${holder.command} (pid ${holder.pid})`;
  // What runs now would hand over, or be stopped first.
  if (/(^|[ /])server\.cjs\b/.test(holder.command)) return ok(name, `served by ${who} now`);
  if (/^systemd\b/.test(holder.command)) return ok(name, `held by ${who}, which passes it on`);
  return error(name, `in use by ${who}`, `stop it, or change "listen"`);
}
