// The whole story of one request: which host and route took it, what each check said, and where it
// goes. Verdicts come from the generated program; the words come from the IR.

import assert from "node:assert/strict";
import type {
  FileAnswer,
  FileProbe,
  FileQuestion,
  ProbeCheck,
  ProbeResult,
  RequestProbe,
} from "../../runtime/control/probe-types.ts";
import { blockHolds } from "../ir/address-block.ts";
import type { AddressBlockIr, HostIr, Ir, ProxyIr, RouteIr, TargetIr } from "../ir/ir.ts";
import { type Candidate, hostCandidates, pathCandidates, winningHost } from "./candidates.ts";
import { printAddress } from "./client-text.ts";
import { chosenTarget, targetCandidates } from "./conditions.ts";

export interface Question {
  /** As people write it: method and URL. */
  readonly request: string;
  readonly head: string;
  /** The address of the connection's other end. */
  readonly peer: string;
}

export interface Check {
  readonly name: string;
  /** 0: passed. */
  readonly status: number;
  readonly reason: string;
}

export interface Passed {
  readonly kind: "proxy";
  readonly upstream: string;
  readonly algorithm: string;
  /** One for each server of the group, in declared order. */
  readonly targets: readonly { readonly url: string; readonly head: readonly string[] }[];
}

export interface Served {
  readonly kind: "file";
  readonly file: string;
  /** What is served when `file` is a directory. */
  readonly index: string;
  /** What has to be asked of the disk. */
  readonly question: FileQuestion;
  /** What this machine's disk says; absent: nobody has looked. */
  readonly here?: FileAnswer;
}

export interface Decision {
  readonly request: string;
  readonly client: string;
  /** The client as words of 32 bits: one, or four; none when the request could not be read. */
  readonly clientWords: readonly number[];
  readonly host: string;
  readonly path: string;
  readonly chunked: boolean;
  readonly hosts: readonly Candidate[];
  readonly paths: readonly Candidate[];
  /** The route's TOML key path; undefined: no route. */
  readonly route: string | undefined;
  readonly checks: readonly Check[];
  /**
   * Name of the target of the route that takes the request, "none" for its own; undefined: a route
   * with one target, or a request that its checks refuse.
   */
  readonly when: string | undefined;
  /** Other targets in their order, then the route's own; empty where `when` is undefined. */
  readonly targets: readonly Candidate[];
  /** The status the server answers by itself; undefined: the route's handler answers. */
  readonly status: number | undefined;
  readonly reason: string | undefined;
  /** Header lines of that answer, but for Date and Connection. */
  readonly answer: readonly string[];
  readonly outcome: Passed | Served | undefined;
}

/** Asks the program, and explains its answer. */
export function decide(ir: Ir, probe: RequestProbe, question: Question): Decision {
  const result = probe.run(question);
  const key = result.route;
  const unread = result.path === "" || result.status === 501 || result.status === 417;
  const matched = key !== undefined || result.status === 404;
  const hosts = matched ? hostCandidates(ir, result.host) : [];
  const host = matched ? winningHost(ir, result.host) : undefined;
  const paths = host === undefined ? [] : pathCandidates(host, result.path);
  const explained = paths.find(({ taken }) => taken)?.key;
  assert(!matched || explained === key, `${explained} was expected to take it, not ${key}`);
  const route = ir.routes.find((it) => it.key === key);
  const checks = route === undefined ? [] : result.checks.map((it) => explain(it, route, result));
  const target = route && targetOf(route, result);
  if (target !== undefined && result.status === 0) {
    checks.push(...later(route!, target, result, host!));
  }
  const targets =
    route === undefined || target === undefined || route.when.length === 0
      ? []
      : targetCandidates(route, result);
  const status = result.status || (checks.at(-1)?.status ?? 0);
  return {
    request: question.request,
    client: printAddress(result.client) ?? question.peer,
    clientWords: result.client,
    host: result.host,
    path: result.path,
    chunked: result.chunked,
    hosts,
    paths,
    route: key,
    checks,
    when: targets.find(({ taken }) => taken)?.key,
    targets,
    status: status === 0 ? undefined : status,
    reason: status === 0 ? undefined : reasonOf(result, checks, unread),
    answer: result.answer,
    outcome: target === undefined || status !== 0 ? undefined : outcomeOf(route!, target, result),
  };
}

/** The same decision with what the disk of this machine says about it. */
export function lookedUp(decision: Decision, probe: FileProbe): Decision {
  const { outcome } = decision;
  if (outcome?.kind !== "file") return decision;
  const here = probe(outcome.question);
  const looked = { ...decision, outcome: { ...outcome, here } };
  if (here.status === 200) return looked;
  return { ...looked, status: here.status, reason: `${here.path} ${here.reason}` };
}

/** The target that the program has chosen; undefined when a check came first. */
function targetOf(route: RouteIr, result: ProbeResult): TargetIr | undefined {
  if (result.target === undefined) return undefined;
  const chosen = chosenTarget(route, result);
  assert(chosen === result.target, `${chosen} was expected to take it, not ${result.target}`);
  return route.when.find(({ key }) => key === chosen)?.target ?? route.target;
}

function reasonOf(
  { status, route }: ProbeResult,
  checks: readonly Check[],
  unread: boolean,
): string {
  if (checks.at(-1)?.name === "forwards") return "it goes no further";
  if (route !== undefined) return `refused by the check of the ${checks.at(-1)?.name}`;
  if (status === 404) return "no route takes it";
  return unread ? "the request cannot be read or served" : "answered without a route";
}

function explain({ name, status }: ProbeCheck, route: RouteIr, result: ProbeResult): Check {
  const reason = checkReason(name, route, result);
  return { name, status, reason: name === "method" && status !== 0 ? `not ${reason}` : reason };
}

function checkReason(name: ProbeCheck["name"], route: RouteIr, result: ProbeResult): string {
  switch (name) {
    case "header size":
      return `${result.headBytes} of ${route.limits.maxRequestHeaderSize} bytes`;
    case "client":
      return clientReason(route, result.client);
    case "method": {
      const methods = route.allowedMethods.map(({ text }) => text);
      return methods.length === 0 ? "every method" : `one of ${methods.join(", ")}`;
    }
    case "body size":
      if (result.chunked) return `chunked, up to ${route.limits.maxChunkedBodySize} bytes`;
      return `${result.contentLength} of ${route.limits.maxRequestBodySize} bytes`;
    case "file":
      return "files are read with GET and HEAD";
    case "forwards":
      return "Max-Forwards is 0, so it ends here";
  }
}

/** The entry of the lists that decides about a client; undefined when none holds it. */
export function decidingBlock(
  { deniedClients, allowedClients }: RouteIr,
  client: readonly number[],
): AddressBlockIr | undefined {
  return [...deniedClients, ...allowedClients].find((block) => blockHolds(block, client));
}

function clientReason(route: RouteIr, client: readonly number[]): string {
  const block = decidingBlock(route, client);
  if (block === undefined) {
    return route.allowedClients.length > 0 ? "in no block of allowed_ips" : "every client";
  }
  const verb = route.deniedClients.includes(block) ? "denied" : "allowed";
  return `${verb} by ${block.text}`;
}

/** What comes behind the checks of the generated program. */
function later(
  { key, limits, prefix }: RouteIr,
  target: TargetIr,
  { path }: ProbeResult,
  host: HostIr,
): Check[] {
  const checks: Check[] = [];
  const rate = limits.rateLimitRequestsPerMin;
  if (rate > 0) {
    checks.push({ name: "rate", status: 0, reason: `up to ${rate} requests a minute, then 429` });
  }
  if (target.kind === "file" && path.slice(prefix.length).includes("%2F")) {
    checks.push({ name: "file name", status: 404, reason: "no file name holds a slash" });
  } else if (target.kind === "file") {
    const plain = prefix + plainName(path.slice(prefix.length));
    const owner = pathCandidates(host, plain).find(({ taken }) => taken)?.key;
    if (owner !== key) {
      checks.push({ name: "file name", status: 404, reason: `spelt plainly, ${owner} takes it` });
    }
  }
  return checks;
}

/** As a prefix would be written: what is the same name to a file system. */
function plainName(rest: string): string {
  return rest
    .replace(/\/+/g, "/")
    .replace(/[[\]^|]/g, encodeURIComponent)
    .replace(/%(?:2[146-9A-C]|3[ABD]|40)/g, decodeURIComponent);
}

function outcomeOf(route: RouteIr, target: TargetIr, result: ProbeResult): Passed | Served {
  if (target.kind === "proxy") return passedOn(target, result);
  const { path: root, mode, index } = target;
  const { prefix } = route;
  const rest = result.path.slice(prefix.length);
  const file = joinFile(root, rest.replace(/^\/+/, ""));
  return { kind: "file", file, index, question: { root, mode, index, prefix, rest } };
}

function passedOn({ upstream }: ProxyIr, { upstreamHeads }: ProbeResult): Passed {
  const targets = upstream.servers.map(({ tls, authority }, index) => {
    const head = upstreamHeads[index]!.split("\r\n").slice(0, -2);
    const target = head[0]!.split(" ")[1]!;
    return { url: `${tls ? "https" : "http"}://${authority}${target}`, head };
  });
  return { kind: "proxy", upstream: upstream.name, algorithm: upstream.algorithm, targets };
}

/** The file's name, escapes decoded as the server does. */
function joinFile(root: string, rest: string): string {
  if (rest === "") return root;
  let decoded = rest;
  try {
    decoded = decodeURIComponent(rest);
  } catch {
    // Bytes that are not UTF-8 stay escaped: a name with them cannot be printed either.
  }
  // Several slashes are one, as the kernel reads them.
  return `${root.replace(/\/+$/, "")}/${decoded.replace(/\/+/g, "/")}`;
}
