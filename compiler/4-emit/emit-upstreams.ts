// generated/upstreams.ts: one block for each group of servers.

import type { HealthCheckIr, UpstreamIr } from "../ir/ir.ts";
import { comment, numberArray, objectArray, property } from "./layout.ts";
import { constant } from "./names.ts";
import { type Code, code, indent, joinCode, Name } from "./text.ts";

export function emitUpstreams(upstreams: readonly UpstreamIr[]): Code {
  const head = code`import type { UpstreamSettings } from "zproxy/runtime/data/api.ts";

export const upstreams: UpstreamSettings[] = [];
`;
  if (upstreams.length === 0) return head;
  const add = code`
/** Appends a group and returns its index, so that a new group renumbers no other. */
function add(upstream: UpstreamSettings): number {
  return upstreams.push(upstream) - 1;
}
`;
  return joinCode([head, add, ...upstreams.map(emitUpstream)], "");
}

function emitUpstream(upstream: UpstreamIr): Code {
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
  const lines = [
    property(new Name("name"), upstream.name, 1),
    code`algorithm: ${upstream.algorithm},`,
    code`servers: ${objectArray(servers, "servers: ".length, 1)},`,
    ...emitTrust(upstream),
    ...(upstream.healthCheck ? [emitHealthCheck(upstream.healthCheck)] : []),
  ];
  return code`
${comment(upstream.id)}
export const ${constant("", upstream.symbol)} = add({
${indent(joinCode(lines))}
});
`;
}

/** How servers with https are verified, where that is not as it is by default. */
function emitTrust({ tlsVerify, tlsCaPath }: UpstreamIr): Code[] {
  const path = tlsCaPath === undefined ? [] : [property(new Name("tlsCaPath"), tlsCaPath, 1)];
  return tlsVerify ? path : [code`tlsUnverified: true,`];
}

function emitHealthCheck(check: HealthCheckIr): Code {
  const statuses = numberArray(check.healthyStatuses, "healthyStatuses: ".length, 2);
  const lines = [
    code`intervalSecs: ${check.intervalSecs},`,
    property(new Name("path"), check.path, 2),
    code`timeoutSecs: ${check.timeoutSecs},`,
    code`healthyStatuses: ${statuses},`,
    code`unhealthyThreshold: ${check.unhealthyThreshold},`,
    code`healthyThreshold: ${check.healthyThreshold},`,
  ];
  return code`healthCheck: {\n${indent(joinCode(lines))}\n},`;
}
