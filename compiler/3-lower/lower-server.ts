// Settings of the server as a whole.

import assert from "node:assert/strict";
import {
  type Config,
  loggingDefaults,
  performanceDefaults,
  securityDefaults,
  serverDefaults,
  type Tls,
  tlsDefaults,
} from "../../schema/config.generated.ts";
import { parseListenAddress } from "../2-check/values/listen-address.ts";
import type { ListenIr, ServerIr, TlsIr } from "../ir/ir.ts";
import { lowerAddresses } from "./lower-addresses.ts";

/** `config` has passed the checks: every address parses. */
export function lowerServer(config: Config): ServerIr {
  const { server, logging, performance, security } = config;
  const listen = typeof server.listen === "string" ? [server.listen] : server.listen;
  return {
    listen: listen.map(lowerListen),
    threads: server.threads ?? serverDefaults.threads,
    maxConcurrentConnections:
      security?.max_concurrent_connections ?? securityDefaults.max_concurrent_connections,
    trustedProxies: lowerAddresses(server.trusted_proxies),
    shutdownTimeoutSecs: server.shutdown_timeout_secs ?? serverDefaults.shutdown_timeout_secs,
    io: performance?.io ?? performanceDefaults.io,
    reuseportBalancing: performance?.reuseport_balancing ?? performanceDefaults.reuseport_balancing,
    hugePages: performance?.huge_pages_enabled ?? performanceDefaults.huge_pages_enabled,
    dropPrivileges: lowerPrivileges(config),
    tls: config.tls && lowerTls(config.tls),
    logging: {
      level: logging?.level ?? loggingDefaults.level,
      filePath: logging?.file_path,
      accessLog: logging?.access_log ?? loggingDefaults.access_log,
      channelSize: logging?.channel_size ?? loggingDefaults.channel_size,
      flushIntervalMs: logging?.flush_interval_ms ?? loggingDefaults.flush_interval_ms,
      maxLogSize: logging?.max_log_size ?? loggingDefaults.max_log_size,
    },
    admin: config.admin === undefined ? undefined : lowerListen(config.admin.listen),
  };
}

function lowerPrivileges({ security }: Config): ServerIr["dropPrivileges"] {
  const user = security?.drop_privileges_user;
  const group = security?.drop_privileges_group;
  return user === undefined && group === undefined ? undefined : { user, group };
}

function lowerTls(tls: Tls): TlsIr {
  const pairs = [tls, ...(tls.certificates ?? tlsDefaults.certificates)];
  return {
    minVersion: tls.min_version ?? tlsDefaults.min_version,
    ktls: lowerKernel(tls),
    certificates: pairs.map(({ cert_path, key_path }) => {
      assert(cert_path !== undefined && key_path !== undefined, "checked pair is incomplete");
      return { certPath: cert_path, keyPath: key_path };
    }),
  };
}

function lowerKernel(tls: Tls): TlsIr["ktls"] {
  if (!(tls.ktls_enabled ?? tlsDefaults.ktls_enabled)) return "off";
  const falls = tls.ktls_fallback_enabled ?? tlsDefaults.ktls_fallback_enabled;
  return falls ? "preferred" : "required";
}

function lowerListen(text: string): ListenIr {
  const endpoint = parseListenAddress(text);
  assert(endpoint.ok, `checked config has an address that is none: ${text}`);
  return endpoint.value;
}
