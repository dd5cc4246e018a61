// Certificates, keys and trusted roots: read, checked and given to native code on the main thread,
// before it drops its privileges. What is wrong with any of them is said all at once.

import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { ENOENT, TLS_TICKET_KEY_BYTES } from "../../native/abi.ts";
import type { Program, TlsSettings, UpstreamSettings } from "../data/api.ts";
import type { KernelMode } from "../data/ktls.ts";
import type { Addon } from "../native.ts";

/** Handles of native contexts, for workers. */
export interface TlsContexts {
  /** For clients; -1: the listeners are plain. */
  readonly server: number;
  /** For each upstream group; -1: none of its servers uses TLS. */
  readonly upstreams: readonly number[];
  /** Whether connections of clients go to the kernel. */
  readonly kernel: KernelMode;
}

interface Pair {
  readonly chain: Buffer;
  readonly key: Buffer;
  /** In lower case; a "*." at the start stands for one label. */
  readonly names: readonly string[];
}

/** Bundles of trusted roots, as Debian, Red Hat, SUSE and Alpine place them. */
const ROOT_PATHS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;

export class TlsKeys {
  private readonly addon: Addon;
  /** Shared by all contexts and kept for the life of the process, so that sessions go on. */
  private readonly ticketKeys = randomBytes(TLS_TICKET_KEY_BYTES);
  /** Sentences about what of the last program can't be used. */
  problems: string[] = [];
  /** What will not be as the program wants it, and need not be. */
  warnings: string[] = [];
  private names: { name: string; context: number }[] = [];

  constructor(addon: Addon) {
    this.addon = addon;
  }

  /** Makes what the program needs; null when it does without TLS. See `problems`. */
  load(program: Program): TlsContexts | null {
    const { tls } = program.server;
    this.problems = [];
    this.warnings = [];
    this.names = [];
    if (tls === undefined && !program.upstreams.some(usesTls)) return null;
    const kernel = this.kernelMode(tls?.ktls);
    const server = tls === undefined ? -1 : this.loadServer(tls, kernel);
    const known = new Map<string, number>();
    const upstreams = program.upstreams.map((upstream) => {
      if (!usesTls(upstream)) return -1;
      const key = `${upstream.tlsUnverified} ${upstream.tlsCaPath}`;
      const context = known.get(key) ?? this.loadClient(upstream);
      known.set(key, context);
      return context;
    });
    return { server, upstreams, kernel };
  }

  /** Asks the kernel, before anybody connects. */
  private kernelMode(wanted: TlsSettings["ktls"]): KernelMode {
    if (wanted === undefined) return "off";
    const result = this.addon.ktlsProbe();
    if (result >= 0) return wanted;
    const cause = result === -ENOENT ? "this kernel has no TLS" : `errno ${-result}`;
    const remedy = 'load its module ("modprobe tls") or set ktls_enabled = false';
    if (wanted === "required")
      this.problems.push(`kTLS can't be used, and falling back is off: ${cause}; ${remedy}`);
    else this.warnings.push(`kTLS can't be used, TLS stays in user space: ${cause}; ${remedy}`);
    return "off";
  }

  private loadServer(tls: TlsSettings, kernel: KernelMode): number {
    const contexts = tls.certificates.map(({ certPath, keyPath }) => {
      const pair = this.readPair(certPath, keyPath);
      if (pair === undefined) return -1;
      const context = this.addon.tlsContext(true, tls.minVersion === "1.3");
      const taken =
        context >= 0 &&
        this.addon.tlsCertificate(context, pair.chain, 0, pair.key, 0) >= 0 &&
        this.addon.tlsTicketKeys(context, this.ticketKeys, 0) >= 0 &&
        (kernel === "off" || this.addon.tlsContextKernel(context) >= 0);
      if (!taken) this.problems.push(`${certPath}: ${this.addon.tlsError()}`);
      else this.names.push(...pair.names.map((name) => ({ name, context })));
      return context;
    });
    const [first] = contexts;
    // Earlier certificates keep their names, so the order of the configuration decides.
    if (this.problems.length === 0)
      for (const { name, context } of this.names) this.addon.tlsName(first!, name, context);
    return first ?? -1;
  }

  private readPair(certPath: string, keyPath: string): Pair | undefined {
    const chain = this.readFile(certPath, "certificate");
    const key = this.readFile(keyPath, "key");
    if (chain === undefined || key === undefined) return undefined;
    const certificate = this.parseCertificate(certPath, chain);
    const privateKey = this.parseKey(keyPath, key);
    if (certificate === undefined || privateKey === undefined) return undefined;
    if (!certificate.checkPrivateKey(privateKey)) {
      const isLater = certificatesOf(chain).some((each) => each.checkPrivateKey(privateKey));
      this.problems.push(
        isLater
          ? `${certPath}: the server's certificate must come first, then its chain`
          : `${keyPath} is not the key of the certificate in ${certPath}`,
      );
      return undefined;
    }
    return { chain, key, names: namesOf(certificate) };
  }

  private readFile(path: string, what: "certificate" | "key" | "CA"): Buffer | undefined {
    try {
      return readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.problems.push(
        code === "ENOENT"
          ? `TLS ${what} file not found: ${path}`
          : `TLS ${what} file ${path} can't be read (${code}); check its permissions`,
      );
      return undefined;
    }
  }

  private parseCertificate(path: string, pem: Buffer): X509Certificate | undefined {
    if (CERTIFICATE.test(pem.toString("latin1"))) {
      try {
        return new X509Certificate(pem);
      } catch (error) {
        this.problems.push(`${path}: the certificate can't be read: ${(error as Error).message}`);
        return undefined;
      }
    }
    this.problems.push(`${path} holds no certificate in PEM form`);
    return undefined;
  }

  private parseKey(path: string, pem: Buffer): KeyObject | undefined {
    try {
      return createPrivateKey(pem);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const encrypted =
        code === "ERR_MISSING_PASSPHRASE" || /ENCRYPTED/.test(pem.toString("latin1"));
      this.problems.push(
        encrypted
          ? `${path} is encrypted; store the key without a passphrase (openssl pkey -in ${path})`
          : `${path} holds no private key in PEM form`,
      );
      return undefined;
    }
  }

  private loadClient({ tlsUnverified, tlsCaPath }: UpstreamSettings): number {
    const context = this.addon.tlsContext(false, false);
    if (context < 0) this.problems.push(`TLS can't be used: ${this.addon.tlsError()}`);
    if (context < 0 || tlsUnverified) return context;
    const roots = tlsCaPath === undefined ? systemRoots() : this.readFile(tlsCaPath, "CA");
    if (roots === null)
      this.problems.push(
        "this system trusts no certificate authority; install ca-certificates, or set tls_ca_path",
      );
    else if (roots !== undefined && this.addon.tlsRoots(context, roots, 0) === 0)
      this.problems.push(`${tlsCaPath ?? "the system's roots"}: no certificate in PEM form`);
    return context;
  }
}

/** The certificates that this system trusts; null when there are none. */
function systemRoots(): Buffer | null {
  const named = process.env.SSL_CERT_FILE;
  for (const path of named === undefined ? ROOT_PATHS : [named, ...ROOT_PATHS]) {
    try {
      return readFileSync(path);
    } catch {
      // Another system's place.
    }
  }
  return null;
}

function usesTls({ servers }: UpstreamSettings): boolean {
  return servers.some(({ tls }) => tls);
}

/** The same trust for a client of Node's; whoever calls this has seen `load` find no problem. */
export function trustOf({ tlsUnverified, tlsCaPath }: UpstreamSettings): {
  rejectUnauthorized: boolean;
  ca?: Buffer;
} {
  if (tlsUnverified) return { rejectUnauthorized: false };
  const ca = tlsCaPath === undefined ? systemRoots() : readFileSync(tlsCaPath);
  return ca === null ? { rejectUnauthorized: true } : { rejectUnauthorized: true, ca };
}

/** Every certificate of a PEM file, those that can be read. */
function certificatesOf(pem: Buffer): X509Certificate[] {
  const parts = pem.toString("latin1").split(/(?=-----BEGIN )/);
  return parts.flatMap((part) => {
    try {
      return CERTIFICATE.test(part) ? [new X509Certificate(part)] : [];
    } catch {
      return [];
    }
  });
}

/** DNS names of a certificate; its common name when it has no others (as clients did once). */
export function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? "").matchAll(/(?:^|, )DNS:([^,"]+)/g)];
  const common = subjectAltName === undefined ? [...subject.matchAll(/^CN=(.+)$/gm)] : [];
  return [...names, ...common].map((match) => match[1]!.toLowerCase());
}
