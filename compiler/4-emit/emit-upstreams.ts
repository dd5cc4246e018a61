// generated/upstreams.ts: one block for each group of servers.

import type { HealthCheckIr, UpstreamIr } from "../ir/ir.ts";
import { comment, importApi, numberArray, objectArray, property } from "./layout.ts";
import { constant } from "./names.ts";
import { COLUMNS_MAX, type Code, code, from, indent, joinCode, Name, type Origin } from "./text.ts";

export function emitUpstreams(upstreams: readonly UpstreamIr[]): Code {
  if (upstreams.length === 0) {
    return code`${importApi([code`type UpstreamSettings`])}

export const upstreams: UpstreamSettings[] = [];
`;
  }
  const head = code`${importApi([code`origin`, code`type UpstreamSettings`])}

export const upstreams: UpstreamSettings[] = [];

/** Appends a group, or the server of a url, and returns its index: a new one renumbers no other. */
function add(group: UpstreamSettings | string): number {
  return upstreams.push(typeof group === "string" ? origin(group) : group) - 1;
}
`;
  return joinCode([head, ...upstreams.map(emitUpstream)], "");
}

/** A URL's origin that its name says everything about. */
function isPlainOrigin({ origin, tlsVerify, tlsCaPath }: UpstreamIr): boolean {
  return origin && tlsVerify && tlsCaPath === undefined;
}

/** A block after an empty line; origins that follow each other stand together. */
function emitUpstream(upstream: UpstreamIr, index: number, all: readonly UpstreamIr[]): Code {
  if (isPlainOrigin(upstream)) {
    const previous = all[index - 1];
    const line = emitOrigin(upstream);
    return previous !== undefined && isPlainOrigin(previous) ? line : code`\n${line}`;
  }
  const servers = upstream.servers.map(
    ({ tls, host, port, authority, weight }) =>
      [
        [new Name("tls"), tls],
        [new Name("host"), host],
        [new Name("port"), port],
        [new Name("authority"), authority],
        [new Name("weight"), weight],
      ] as const,
  );
  const { id } = upstream;
  const originOf = (index: number): Origin => [id, "servers", index];
  const list = code`servers: ${objectArray(servers, "servers: ".length, 1, originOf)},`;
  const lines = [
    property(new Name("name"), upstream.name, 1),
    from([id, "algorithm"], code`algorithm: ${upstream.algorithm},`),
    from([id, "servers"], list),
    ...emitTrust(upstream),
    ...(upstream.healthCheck ? [emitHealthCheck(id, upstream.healthCheck)] : []),
  ];
  const block = code`
${comment(id)}
export const ${constant("", upstream.symbol)} = add({
${indent(joinCode(lines))}
});
`;
  return from([id], block);
}

function emitOrigin({ id, symbol, name }: UpstreamIr): Code {
  const line = code`export const ${constant("", symbol)} = add(${name});`;
  const broken = code`export const ${constant("", symbol)} = add(\n  ${name},\n);`;
  return from([id], code`${line.text.length <= COLUMNS_MAX ? line : broken}\n`);
}

/** How servers with https are verified, where that is not as it is by default. */
function emitTrust({ id, tlsVerify, tlsCaPath }: UpstreamIr): Code[] {
  if (!tlsVerify) return [from([id, "tls_verify"], code`tlsUnverified: true,`)];
  if (tlsCaPath === undefined) return [];
  return [from([id, "tls_ca_path"], property(new Name("tlsCaPath"), tlsCaPath, 1))];
}

function emitHealthCheck(id: string, check: HealthCheckIr): Code {
  const of = (key: string, line: Code): Code => from([id, "health_check", key], line);
  const statuses = numberArray(check.healthyStatuses, "healthyStatuses: ".length, 2);
  const lines = [
    of("interval_secs", code`intervalSecs: ${check.intervalSecs},`),
    of("path", property(new Name("path"), check.path, 2)),
    of("timeout_secs", code`timeoutSecs: ${check.timeoutSecs},`),
    of("healthy_statuses", code`healthyStatuses: ${statuses},`),
    of("unhealthy_threshold", code`unhealthyThreshold: ${check.unhealthyThreshold},`),
    of("healthy_threshold", code`healthyThreshold: ${check.healthyThreshold},`),
  ];
  return from([id, "health_check"], code`healthCheck: {\n${indent(joinCode(lines))}\n},`);
}
