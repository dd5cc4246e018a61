// generated/server.ts: settings of the server as a whole.

import type { ServerIr, TlsIr } from "../ir/ir.ts";
import { emitAddressFunction, isAddressSet } from "./emit-addresses.ts";
import { REUSEPORT_PROGRAM } from "./emit-reuseport.ts";
import { comment, importApi, inlineObject, objectArray, property } from "./layout.ts";
import { type Code, code, indent, joinCode, Name } from "./text.ts";

const IS_TRUSTED_PROXY = new Name("isTrustedProxy");
const TRUSTED_PROXIES = new Name("trustedProxies");

export function emitServer(server: ServerIr): Code {
  const listen = server.listen.map(
    ({ address, port }) =>
      [
        [new Name("address"), address],
        [new Name("port"), port],
      ] as const,
  );
  const trusts = server.trustedProxies.length > 0;
  const balances = server.reuseportBalancing === "cbpf";
  const lines = [
    code`listen: ${objectArray(listen, "listen: ".length, 1)},`,
    withZero("threads", server.threads, "one for each CPU"),
    withZero("maxConcurrentConnections", server.maxConcurrentConnections, "no limit"),
    ...(trusts ? [code`${IS_TRUSTED_PROXY},`] : []),
    withZero("shutdownTimeoutSecs", server.shutdownTimeoutSecs, "no limit"),
    code`io: ${server.io},`,
    ...(balances ? [code`${REUSEPORT_PROGRAM},`] : []),
    ...(server.hugePages ? [code`hugePages: true,`] : []),
    ...emitPrivileges(server),
    ...(server.tls ? [emitTls(server.tls)] : []),
    code`logging: {\n${indent(emitLogging(server))}\n},`,
    ...emitAdmin(server),
  ];
  const names = [
    isAddressSet(server.trustedProxies) && code`AddressSet`,
    trusts && code`type ClientAddress`,
    code`type ServerSettings`,
  ];
  const program = balances
    ? code`\nimport { ${REUSEPORT_PROGRAM} } from "./reuseport.ts";`
    : code``;
  return code`${importApi(names)}${program}
${emitTrusted(server)}
export const server: ServerSettings = {
${indent(joinCode(lines))}
};
`;
}

/** A number, with what it means when it is 0. */
function withZero(name: string, value: number, meaning: string): Code {
  const line = code`${new Name(name)}: ${value},`;
  return value === 0 ? code`${line} ${comment(meaning)}` : line;
}

function emitPrivileges({ dropPrivileges }: ServerIr): Code[] {
  if (dropPrivileges === undefined) return [];
  const { user, group } = dropPrivileges;
  const lines = [
    ...(user === undefined ? [] : [property(new Name("user"), user, 2)]),
    ...(group === undefined ? [] : [property(new Name("group"), group, 2)]),
  ];
  return [code`dropPrivileges: {\n${indent(joinCode(lines))}\n},`];
}

function emitAdmin({ admin }: ServerIr): Code[] {
  if (admin === undefined) return [];
  const address = [new Name("address"), admin.address] as const;
  return [code`admin: ${inlineObject([address, [new Name("port"), admin.port]], 1)},`];
}

function emitLogging({ logging }: ServerIr): Code {
  const { level, filePath, accessLog, channelSize, flushIntervalMs, maxLogSize } = logging;
  return joinCode([
    code`level: ${level},`,
    ...(filePath === undefined ? [] : [property(new Name("filePath"), filePath, 2)]),
    code`accessLog: ${accessLog},`,
    code`channelSize: ${channelSize},`,
    code`flushIntervalMs: ${flushIntervalMs},`,
    withZero("maxLogSize", maxLogSize, "never rotated"),
  ]);
}

function emitTls({ minVersion, ktls, certificates }: TlsIr): Code {
  const pairs = certificates.map(
    ({ certPath, keyPath }) =>
      [
        [new Name("certPath"), certPath],
        [new Name("keyPath"), keyPath],
      ] as const,
  );
  const lines = [
    code`minVersion: ${minVersion},`,
    ...(ktls === "off" ? [] : [code`ktls: ${ktls},`]),
    code`certificates: ${objectArray(pairs, "certificates: ".length, 2)},`,
  ];
  return code`tls: {\n${indent(joinCode(lines))}\n},`;
}

function emitTrusted({ trustedProxies }: ServerIr): Code {
  if (trustedProxies.length === 0) return code``;
  const rules = { denied: [], allowed: trustedProxies, otherwise: false };
  return code`
${comment("server.trusted_proxies")}
${emitAddressFunction(IS_TRUSTED_PROXY, rules, TRUSTED_PROXIES)}
`;
}
