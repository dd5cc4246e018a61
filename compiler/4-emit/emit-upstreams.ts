// generated/upstreams.ts: one block for each group of servers.

import type { HealthCheckIr, UpstreamIr } from "../ir/ir.ts";
import { comment, importApi, numberArray, objectArray, property } from "./layout.ts";
import { constant } from "./names.ts";
import { COLUMNS_MAX, type Code, code, indent, joinCode, Name } from "./text.ts";

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

function emitUpstream(upstream: UpstreamIr): Code {
  if (isPlainOrigin(upstream)) return emitOrigin(upstream);
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

function emitOrigin({ symbol, name }: UpstreamIr): Code {
  const line = code`export const ${constant("", symbol)} = add(${name});`;
  if (line.text.length <= COLUMNS_MAX) return code`\n${line}\n`;
  return code`\nexport const ${constant("", symbol)} = add(\n  ${name},\n);\n`;
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
