// generated/server.ts: settings of the server as a whole.

import type { ServerIr, TlsIr } from "../ir/ir.ts";
import { emitAddressFunction, isAddressSet } from "./emit-addresses.ts";
import { REUSEPORT_PROGRAM } from "./emit-reuseport.ts";
import { comment, importApi, inlineObject, objectArray, property } from "./layout.ts";
import { type Code, code, from, indent, joinCode, Name, type Origin } from "./text.ts";

const IS_TRUSTED_PROXY = new Name("isTrustedProxy");
const TRUSTED_PROXIES = new Name("trustedProxies");
const TRUSTED_LIST: Origin = ["server", "trusted_proxies"];

export function emitServer(server: ServerIr): Code {
  const trusts = server.trustedProxies.length > 0;
  const balances = server.reuseportBalancing === "cbpf";
  const lines = [
    from(["server", "listen"], emitListen(server)),
    from(["server", "threads"], withZero("threads", server.threads, "one for each CPU")),
    from(
      ["security", "max_concurrent_connections"],
      withZero("maxConcurrentConnections", server.maxConcurrentConnections, "no limit"),
    ),
    ...(trusts ? [from(TRUSTED_LIST, code`${IS_TRUSTED_PROXY},`)] : []),
    from(
      ["server", "shutdown_timeout_secs"],
      withZero("shutdownTimeoutSecs", server.shutdownTimeoutSecs, "no limit"),
    ),
    from(["performance", "io"], code`io: ${server.io},`),
    ...(balances
      ? [from(["performance", "reuseport_balancing"], code`${REUSEPORT_PROGRAM},`)]
      : []),
    ...(server.hugePages
      ? [from(["performance", "huge_pages_enabled"], code`hugePages: true,`)]
      : []),
    ...emitPrivileges(server),
    ...(server.tls ? [emitTls(server.tls)] : []),
    from(["logging"], code`logging: {\n${indent(emitLogging(server))}\n},`),
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

function emitListen(server: ServerIr): Code {
  const listen = server.listen.map(
    ({ address, port }) =>
      [
        [new Name("address"), address],
        [new Name("port"), port],
      ] as const,
  );
  const originOf = (index: number): Origin => ["server", "listen", index];
  return code`listen: ${objectArray(listen, "listen: ".length, 1, originOf)},`;
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
    ...(user === undefined
      ? []
      : [from(["security", "drop_privileges_user"], property(new Name("user"), user, 2))]),
    ...(group === undefined
      ? []
      : [from(["security", "drop_privileges_group"], property(new Name("group"), group, 2))]),
  ];
  return [from(["security"], code`dropPrivileges: {\n${indent(joinCode(lines))}\n},`)];
}

function emitAdmin({ admin }: ServerIr): Code[] {
  if (admin === undefined) return [];
  const address = [new Name("address"), admin.address] as const;
  const line = code`admin: ${inlineObject([address, [new Name("port"), admin.port]], 1)},`;
  return [from(["admin", "listen"], line)];
}

function emitLogging({ logging }: ServerIr): Code {
  const { level, filePath, accessLog, channelSize, flushIntervalMs, maxLogSize } = logging;
  return joinCode([
    from(["logging", "level"], code`level: ${level},`),
    ...(filePath === undefined
      ? []
      : [from(["logging", "file_path"], property(new Name("filePath"), filePath, 2))]),
    from(["logging", "access_log"], code`accessLog: ${accessLog},`),
    from(["logging", "channel_size"], code`channelSize: ${channelSize},`),
    from(["logging", "flush_interval_ms"], code`flushIntervalMs: ${flushIntervalMs},`),
    from(["logging", "max_log_size"], withZero("maxLogSize", maxLogSize, "never rotated")),
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
  const originOf = (index: number): Origin =>
    index === 0 ? ["tls", "cert_path"] : ["tls", "certificates", index - 1];
  const lines = [
    from(["tls", "min_version"], code`minVersion: ${minVersion},`),
    ...(ktls === "off" ? [] : [from(["tls", "ktls_enabled"], code`ktls: ${ktls},`)]),
    code`certificates: ${objectArray(pairs, "certificates: ".length, 2, originOf)},`,
  ];
  return from(["tls"], code`tls: {\n${indent(joinCode(lines))}\n},`);
}

function emitTrusted({ trustedProxies }: ServerIr): Code {
  if (trustedProxies.length === 0) return code``;
  const rules = {
    denied: [],
    allowed: trustedProxies,
    otherwise: false,
    allowedList: TRUSTED_LIST,
  };
  const block = code`
${comment("server.trusted_proxies")}
${emitAddressFunction(IS_TRUSTED_PROXY, rules, TRUSTED_PROXIES)}
`;
  return from(TRUSTED_LIST, block);
}
