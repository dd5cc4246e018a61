// What a program needs for TLS: contexts in native code, made on the main thread before it drops
// its privileges, and trust for Node's own clients. Each program has its own, for as long as
// workers run it; the keys of session tickets are the process's (native/tls-tickets.c).

import { accessSync, constants } from "node:fs";
import { EMFILE, ENOENT, TLS_CONTEXT_COUNT_MAX } from "../../native/abi.ts";
import type { TlsSettings, UpstreamSettings } from "../data/api.ts";
import { type KernelMode, toldMemory } from "../data/ktls.ts";
import type { Addon } from "../native.ts";
import type { Facts } from "./bundle.ts";
import { TlsFiles } from "./tls-files.ts";

/** Handles of native contexts, for workers. */
export interface TlsContexts {
  /** For clients; -1: the listeners are plain. */
  readonly server: number;
  /** For each upstream group; -1: none of its servers uses TLS. */
  readonly upstreams: readonly number[];
  /** Whether connections go to the kernel. */
  readonly kernel: KernelMode;
  /** What workers have said about that: see `toldMemory`. */
  readonly told: Uint8Array;
}

/** Whom a client of Node's is to trust, the same as workers do. */
export interface ServerTrust {
  readonly rejectUnauthorized: boolean;
  readonly ca?: Buffer;
}

/** A server's certificate, and where it was read. */
export interface LoadedCertificate {
  readonly path: string;
  readonly keyPath: string;
  /** When it expires, in seconds since 1970. */
  readonly notAfterSecs: number;
  readonly names: readonly string[];
  readonly keyType: string;
  /** The native context that holds it, and no other. */
  readonly context: number;
}

/** One program's keys. */
export interface TlsKeys {
  /** Null: it does without TLS. */
  readonly contexts: TlsContexts | null;
  /** By upstream group; empty for one without TLS. */
  readonly trusts: readonly (ServerTrust | undefined)[];
  readonly certificates: readonly LoadedCertificate[];
  /** Authorities, by the path that they were read from. */
  readonly roots: ReadonlyMap<string, Buffer>;
  /** Sentences about what can't be used: nothing has been made then. */
  readonly problems: readonly string[];
  /** What will not be as the program wants it, and need not be. */
  readonly warnings: readonly string[];
  /** When no worker of the program runs any more. */
  free(): void;
}

/**
 * Reads and makes what the program needs. Files that only root may read, which this process has
 * been, stay as they are in the `present` program.
 */
export function buildTlsKeys(program: Facts, addon: Addon, present?: TlsKeys): TlsKeys {
  const builder = new Builder(addon, present);
  const keys = builder.build(program);
  if (keys.problems.length > 0) keys.free();
  return keys;
}

class Builder {
  private readonly addon: Addon;
  private readonly files = new TlsFiles(Date.now());
  private readonly made: number[] = [];
  private readonly certificates: LoadedCertificate[] = [];
  private readonly roots = new Map<string, Buffer>();
  private readonly present: TlsKeys | undefined;

  constructor(addon: Addon, present: TlsKeys | undefined) {
    this.addon = addon;
    this.present = present;
  }

  build(program: Facts): TlsKeys {
    const { addon, files, made, certificates, roots } = this;
    const { problems, warnings } = files;
    const trusts: (ServerTrust | undefined)[] = [];
    const contexts = this.contextsOf(program, trusts);
    const free = () => {
      for (const context of made.splice(0)) addon.tlsContextFree(context);
    };
    return { contexts, trusts, certificates, roots, problems, warnings, free };
  }

  private contextsOf(
    { server: { tls }, upstreams }: Facts,
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
      const client = known.get(key) ?? this.clientContext(upstream, kernel);
      known.set(key, client);
      trusts.push(client.trust);
      return client.context;
    });
    return { server, upstreams: handles, kernel, told: toldMemory() };
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
    const { addon, files, certificates } = this;
    for (const { certPath, keyPath } of tls.certificates) {
      const context = this.newContext(true, tls.minVersion === "1.3");
      const loaded = this.certificateInto(context, certPath, keyPath);
      if (loaded !== undefined) certificates.push(loaded);
    }
    const groups = groupsOf(certificates);
    if (groups.length === 0 || files.problems.length > 0) return -1;
    this.warnOfHidden(groups);
    const contexts = groups.map((group) => this.servingContext(tls, group, kernel));
    const [first] = contexts;
    if (first === undefined || files.problems.length > 0) return -1;
    // Earlier certificates keep their names, so the order of the configuration decides.
    for (const [index, [{ names }]] of groups.entries())
      for (const name of names) addon.tlsName(first, name, contexts[index]!);
    return first;
  }

  /** The context that clients get: with all certificates of a group, each by its kind of key. */
  private servingContext(tls: TlsSettings, group: Group, kernel: KernelMode): number {
    const { addon, files } = this;
    const [{ path, context: only }] = group;
    const isShared = group.length > 1;
    const context = isShared ? this.newContext(true, tls.minVersion === "1.3") : only;
    if (context < 0) return context; // why has been said
    const isMade =
      !isShared || group.every((each) => addon.tlsCertificateOf(context, each.context) >= 0);
    if (!isMade || (kernel !== "off" && addon.tlsContextKernel(context) < 0))
      files.problems.push(`${path}: ${addon.tlsError()}`);
    return context;
  }

  /** Says which certificates no client gets for a name, because an earlier one has it. */
  private warnOfHidden(groups: readonly Group[]): void {
    const holders = new Map<string, LoadedCertificate>();
    for (const group of groups) {
      const [{ path, names }] = group;
      const hidden = names.filter((name) => holders.has(name));
      for (const name of names) if (!holders.has(name)) holders.set(name, group[0]);
      if (hidden.length === 0) continue;
      const holder = holders.get(hidden[0]!)!;
      this.files.warnings.push(
        `${path} is not served for ${hidden.join(", ")}: ${holder.path} comes first. To serve one of ` +
          "RSA and one of EC, give both the same names",
      );
    }
  }

  /** Puts a certificate into a new context; undefined: why it can't has been said. */
  private certificateInto(
    context: number,
    path: string,
    keyPath: string,
  ): LoadedCertificate | undefined {
    const { addon, files, present } = this;
    const old = present?.certificates.find(
      (each) => each.path === path && each.keyPath === keyPath,
    );
    const closed = old === undefined ? undefined : [path, keyPath].find(isClosed);
    let loaded: LoadedCertificate;
    let result = 0;
    if (old !== undefined && closed !== undefined) {
      files.warnings.push(staysAsItWas(path, closed));
      loaded = { ...old, context };
      if (context >= 0) result = addon.tlsCertificateOf(context, old.context);
    } else {
      const pair = files.readPair(path, keyPath);
      if (pair === undefined) return undefined;
      const { names, notAfterSecs, keyType } = pair;
      loaded = { path, keyPath, names, notAfterSecs, keyType, context };
      if (context >= 0) result = addon.tlsCertificate(context, pair.chain, 0, pair.key, 0);
      pair.key.fill(0);
    }
    if (result >= 0) return loaded;
    files.problems.push(`${path}: ${addon.tlsError()}`);
    return undefined;
  }

  private clientContext(
    { tlsUnverified, tlsCaPath }: UpstreamSettings,
    kernel: KernelMode,
  ): { context: number; trust: ServerTrust } {
    const { addon, files } = this;
    const context = this.newContext(false, false);
    if (context >= 0 && kernel !== "off") addon.tlsContextKernel(context);
    if (tlsUnverified) return { context, trust: { rejectUnauthorized: false } };
    const ca = this.rootsIn(tlsCaPath);
    if (ca === undefined) return { context, trust: { rejectUnauthorized: true } };
    const count = context >= 0 ? addon.tlsRoots(context, ca, 0) : 1;
    if (count <= 0) {
      const reason = count === 0 ? "no certificate in PEM form" : addon.tlsError();
      files.problems.push(`${tlsCaPath ?? "the system's roots"}: ${reason}`);
    }
    return { context, trust: { rejectUnauthorized: true, ca } };
  }

  private rootsIn(path: string | undefined): Buffer | undefined {
    if (path === undefined) return this.files.readRoots(path);
    const old = this.present?.roots.get(path);
    const stays = old !== undefined && isClosed(path);
    if (stays) this.files.warnings.push(staysAsItWas(path, path));
    const roots = stays ? old : this.files.readRoots(path);
    if (roots !== undefined) this.roots.set(path, roots);
    return roots;
  }

  private newContext(server: boolean, tls13Only: boolean): number {
    const { addon, files } = this;
    const context = addon.tlsContext(server, tls13Only);
    if (context >= 0) this.made.push(context);
    else if (context === -EMFILE)
      files.problems.push(
        `TLS can't be used: there are more certificates and authorities than ${TLS_CONTEXT_COUNT_MAX}, ` +
          "with those of earlier configurations that still have clients",
      );
    else files.problems.push(`TLS can't be used: ${addon.tlsError() || `errno ${-context}`}`);
    return context;
  }
}

/** Certificates for the same names, one for each kind of key. */
type Group = [LoadedCertificate, ...LoadedCertificate[]];

function groupsOf(certificates: readonly LoadedCertificate[]): Group[] {
  const groups: Group[] = [];
  for (const each of certificates) {
    const isMate = ([first, ...others]: Group) =>
      namesText(first) === namesText(each) &&
      [first, ...others].every(({ keyType }) => keyType !== each.keyType);
    const group = groups.find(isMate);
    if (group === undefined) groups.push([each]);
    else group.push(each);
  }
  return groups;
}

function namesText({ names }: LoadedCertificate): string {
  return [...new Set(names)].sort().join(" ");
}

function staysAsItWas(path: string, closed: string): string {
  return (
    `${path} stays as it was at the start, because this user can't read ${closed}; let its group ` +
    "read it, or restart the server to have it read again"
  );
}

/** Whether a file is there, but not for this user. */
function isClosed(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

function usesTls({ servers }: UpstreamSettings): boolean {
  return servers.some(({ tls }) => tls);
}
