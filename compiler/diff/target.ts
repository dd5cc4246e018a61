// Where the requests of a region go: what two routes must have in common for their answers to be
// the same, and how a reader is told.

import type { RouteIr, TargetIr, UpstreamServerIr } from "../ir/ir.ts";
import type { Mark } from "./change.ts";
import type { Region } from "./regions.ts";

/** Stands for what follows a prefix; no configuration holds it. */
const REST = "/\u0000";

/** Equal for two routes that answer every request of the region alike. */
export function targetOf({ target, prefix }: RouteIr, region: Region): string {
  const rest = region.prefix.slice(prefix.length) + (region.below ? REST : "");
  if (target.kind === "file") {
    return JSON.stringify(["file", joinFile(target.path, rest), target.index]);
  }
  const path = target.basePath + (rest === "" ? "/" : rest);
  const servers = target.upstream.servers.map((it) => `${it.tls} ${it.authority}`).sort();
  return JSON.stringify(["proxy", servers, path, target.preserveHost]);
}

/** As the server joins them: slashes between the two become one. */
function joinFile(root: string, rest: string): string {
  const name = rest.replace(/^\/+/, "").replace(/\/+/g, "/");
  const folder = root.replace(/(?<=.)\/+$/, "");
  return name === "" ? folder : `${folder}/${name}`;
}

/** The route's own target, and how many others there are. */
export function describeTargets(route: RouteIr, region: Region): string {
  const { when } = route;
  const others = when.map(({ name }) => name).join(", ");
  return describeTarget(route, region) + (when.length === 0 ? "" : `, by conditions ${others}`);
}

export function describeTarget({ target, prefix }: RouteIr, region: Region): string {
  const rest = region.prefix.slice(prefix.length);
  if (target.kind === "file") return `files of ${joinFile(target.path, rest)} (${target.index})`;
  const { servers, name } = target.upstream;
  const [first] = servers;
  const origin = `${first!.tls ? "https" : "http"}://${first!.authority}`;
  const group = servers.length > 1 ? ` (${name}, ${servers.length} servers)` : "";
  const host = target.preserveHost ? " with the client's Host" : "";
  const path = target.basePath + rest;
  return `${origin}${path}${path.endsWith("/") ? "" : "/"}${group}${host}`;
}

/** Whether requests go to some server of the target encrypted. */
export function hasTls(target: TargetIr): boolean {
  return target.kind === "proxy" && target.upstream.servers.some(({ tls }) => tls);
}

type WeightedServer = Pick<UpstreamServerIr, "tls" | "weight">;

/** Wider when a larger share of the requests goes over the network as plain text. */
export function encryptionMark(
  before: readonly WeightedServer[],
  after: readonly WeightedServer[],
): Mark {
  const [old, young] = [plainShare(before), plainShare(after)];
  if (old === young) return "neutral";
  return young > old ? "wider" : "narrower";
}

function plainShare(servers: readonly WeightedServer[]): number {
  const weigh = (list: readonly WeightedServer[]): number =>
    list.reduce((sum, { weight }) => sum + weight, 0);
  return weigh(servers.filter(({ tls }) => !tls)) / weigh(servers);
}
