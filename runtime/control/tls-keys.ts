// What a program needs for TLS: contexts in native code, made on the main thread before it drops
// its privileges, and trust for Node's own clients. Each program has its own, for as long as
// workers run it; the keys of session tickets are the process's (native/tls-tickets.c).

import { ENOENT } from "../../native/abi.ts";
import type { Program, TlsSettings, UpstreamSettings } from "../data/api.ts";
import type { KernelMode } from "../data/ktls.ts";
import type { Addon } from "../native.ts";
import { TlsFiles } from "./tls-files.ts";

/** Handles of native contexts, for workers. */
export interface TlsContexts {
  /** For clients; -1: the listeners are plain. */
  readonly server: number;
  /** For each upstream group; -1: none of its servers uses TLS. */
  readonly upstreams: readonly number[];
  /** Whether connections go to the kernel. */
  readonly kernel: KernelMode;
}

/** Whom a client of Node's is to trust, the same as workers do. */
export interface ServerTrust {
  readonly rejectUnauthorized: boolean;
  readonly ca?: Buffer;
}

/** A server's certificate and when it expires, in seconds since 1970. */
export interface CertificateTime {
  readonly path: string;
  readonly notAfterSecs: number;
}

/** One program's keys. */
export interface TlsKeys {
  /** Null: it does without TLS. */
  readonly contexts: TlsContexts | null;
  /** By upstream group; empty for one without TLS. */
  readonly trusts: readonly (ServerTrust | undefined)[];
  readonly certificates: readonly CertificateTime[];
  /** Sentences about what can't be used: nothing has been made then. */
  readonly problems: readonly string[];
  /** What will not be as the program wants it, and need not be. */
  readonly warnings: readonly string[];
  /** When no worker of the program runs any more. */
  free(): void;
}

/** Reads and makes what the program needs. */
export function buildTlsKeys(program: Program, addon: Addon): TlsKeys {
  const builder = new Builder(addon);
  const keys = builder.build(program);
  if (keys.problems.length > 0) keys.free();
  return keys;
}

class Builder {
  private readonly addon: Addon;
  private readonly files = new TlsFiles(Date.now());
  private readonly made: number[] = [];
  private readonly certificates: CertificateTime[] = [];

  constructor(addon: Addon) {
    this.addon = addon;
  }

  build(program: Program): TlsKeys {
    const { addon, files, made, certificates } = this;
    const { problems, warnings } = files;
    const trusts: (ServerTrust | undefined)[] = [];
    const contexts = this.contextsOf(program, trusts);
    const free = () => {
      for (const context of made.splice(0)) addon.tlsContextFree(context);
    };
    return { contexts, trusts, certificates, problems, warnings, free };
  }

  private contextsOf(
    { server: { tls }, upstreams }: Program,
    trusts: (ServerTrust | undefined)[],
  ): TlsContexts | null {
    if (tls === undefined && !upstreams.some(usesTls)) return null;
    const kernel = this.kernelMode(tls?.ktls);
    const server = tls === undefined ? -1 : this.serverContext(tls, kernel);
    const known = new Map<string, { context: number; trust: ServerTrust }>();
    const handles = upstreams.map((upstream) => {
      if (!usesTls(upstream)) {
        trusts.push(undefined);
        return -1;
      }
      const key = `${upstream.tlsUnverified} ${upstream.tlsCaPath}`;
      const client = known.get(key) ?? this.clientContext(upstream);
      known.set(key, client);
      trusts.push(client.trust);
      return client.context;
    });
    return { server, upstreams: handles, kernel };
  }

  /** Asks the kernel, before anybody connects. */
  private kernelMode(wanted: TlsSettings["ktls"]): KernelMode {
    if (wanted === undefined) return "off";
    const result = this.addon.ktlsProbe();
    if (result >= 0) return wanted;
    const { problems, warnings } = this.files;
    const cause = result === -ENOENT ? "this kernel has no TLS" : `errno ${-result}`;
    const remedy = 'load its module ("modprobe tls") or set ktls_enabled = false';
    if (wanted === "required")
      problems.push(`kTLS can't be used, and falling back is off: ${cause}; ${remedy}`);
    else warnings.push(`kTLS can't be used, TLS stays in user space: ${cause}; ${remedy}`);
    return "off";
  }

  private serverContext(tls: TlsSettings, kernel: KernelMode): number {
    const { addon, files } = this;
    const names: { name: string; context: number }[] = [];
    const contexts = tls.certificates.map(({ certPath, keyPath }) => {
      const pair = files.readPair(certPath, keyPath);
      if (pair === undefined) return -1;
      const context = this.newContext(true, tls.minVersion === "1.3");
      const taken =
        context >= 0 &&
        addon.tlsCertificate(context, pair.chain, 0, pair.key, 0) >= 0 &&
        (kernel === "off" || addon.tlsContextKernel(context) >= 0);
      if (!taken) files.problems.push(`${certPath}: ${addon.tlsError()}`);
      names.push(...pair.names.map((name) => ({ name, context })));
      this.certificates.push({ path: certPath, notAfterSecs: pair.notAfterSecs });
      return context;
    });
    const [first = -1] = contexts;
    // Earlier certificates keep their names, so the order of the configuration decides.
    if (files.problems.length === 0)
      for (const { name, context } of names) addon.tlsName(first, name, context);
    return first;
  }

  private clientContext({ tlsUnverified, tlsCaPath }: UpstreamSettings): {
    context: number;
    trust: ServerTrust;
  } {
    const { addon, files } = this;
    const context = this.newContext(false, false);
    if (context < 0) files.problems.push(`TLS can't be used: ${addon.tlsError()}`);
    if (tlsUnverified) return { context, trust: { rejectUnauthorized: false } };
    const ca = files.readRoots(tlsCaPath);
    if (ca === undefined) return { context, trust: { rejectUnauthorized: true } };
    if (context >= 0 && addon.tlsRoots(context, ca, 0) <= 0)
      files.problems.push(`${tlsCaPath ?? "the system's roots"}: no certificate that can be read`);
    return { context, trust: { rejectUnauthorized: true, ca } };
  }

  private newContext(server: boolean, tls13Only: boolean): number {
    const context = this.addon.tlsContext(server, tls13Only);
    if (context >= 0) this.made.push(context);
    return context;
  }
}

function usesTls({ servers }: UpstreamSettings): boolean {
  return servers.some(({ tls }) => tls);
}
