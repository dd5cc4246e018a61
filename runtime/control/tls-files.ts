// Certificates, keys and roots as files: read, held against each other and against the calendar.
// What is wrong with any of them is a sentence; all of them are told at once.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** A certificate with its chain, and its key: PEM that fits together. */
export interface Pair {
  readonly chain: Buffer;
  readonly key: Buffer;
  /** In lower case; a "*." at the start stands for one label. */
  readonly names: readonly string[];
  /** When the first of the chain expires, in seconds since 1970. */
  readonly notAfterSecs: number;
  /** Such as "ec" or "rsa". */
  readonly keyType: string;
}

/** Bundles of trusted roots, as Debian, Red Hat, SUSE and Alpine place them. */
const ROOT_PATHS = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;

/** The keys that native/tls-context.c has signatures for. */
const KEY_TYPES = new Set(["rsa", "ed25519"]);
const EC_CURVES = new Set(["prime256v1", "secp384r1", "secp521r1"]);

/** A certificate that should have been renewed by now: two weeks, or a quarter of a short life. */
const RENEWAL_MS = 14 * 24 * 3_600_000;
const RENEWAL_SHARE = 1 / 4;

export class TlsFiles {
  /** What can't be used. */
  readonly problems: string[] = [];
  /** What can be used, but not for long, or not by everybody. */
  readonly warnings: string[] = [];
  private readonly nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  readPair(certPath: string, keyPath: string): Pair | undefined {
    const chain = this.readFile(certPath, "certificate");
    const key = this.readFile(keyPath, "key");
    if (chain === undefined || key === undefined) return undefined;
    const certificate = this.parseCertificate(certPath, chain);
    const privateKey = this.parseKey(keyPath, key);
    if (certificate === undefined || privateKey === undefined) return undefined;
    const all = this.certificatesOf(certPath, chain);
    if (all === undefined || !this.isServed(keyPath, privateKey)) return undefined;
    if (!certificate.checkPrivateKey(privateKey)) {
      const isLater = all.some((each) => each.checkPrivateKey(privateKey));
      this.problems.push(
        isLater
          ? `${certPath}: the server's certificate must come first, then its chain`
          : `${keyPath} is not the key of the certificate in ${certPath}`,
      );
      return undefined;
    }
    for (const [index, each] of all.entries()) this.checkTime(certPath, each, index === 0);
    const notAfterSecs = Math.min(...all.map(({ validTo }) => Date.parse(validTo) / 1000));
    const keyType = privateKey.asymmetricKeyType!;
    return { chain, key, names: namesOf(certificate), notAfterSecs, keyType };
  }

  /** The authorities in a PEM file, or those that this system trusts. */
  readRoots(path: string | undefined): Buffer | undefined {
    if (path === undefined) {
      const roots = systemRoots();
      if (roots === undefined)
        this.problems.push(
          "this system trusts no certificate authority; install ca-certificates, or set tls_ca_path",
        );
      return roots;
    }
    const roots = this.readFile(path, "CA");
    if (roots === undefined) return undefined;
    const all = this.certificatesOf(path, roots);
    if (all?.length === 0) this.problems.push(`${path}: no certificate in PEM form`);
    return all === undefined || all.length === 0 ? undefined : roots;
  }

  /**
   * Every certificate of a PEM file; undefined when one can't be read. To leave that out would look
   * like success, until a client misses it.
   */
  private certificatesOf(path: string, pem: Buffer): X509Certificate[] | undefined {
    const parts = pem.toString("latin1").split(/(?=-----BEGIN )/);
    const certificates = parts.filter((part) => CERTIFICATE.test(part));
    const problemCount = this.problems.length;
    const read = certificates.flatMap((part, index) => {
      try {
        return [new X509Certificate(part)];
      } catch (error) {
        const { message } = error as Error;
        this.problems.push(
          `${path}: certificate ${index + 1} of the file can't be read: ${message}`,
        );
        return [];
      }
    });
    return this.problems.length > problemCount ? undefined : read;
  }

  /** Whether the cipher suites and signatures that are offered have a use for a key. */
  private isServed(path: string, { asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
    const curve = asymmetricKeyDetails?.namedCurve;
    const served =
      asymmetricKeyType === "ec" ? EC_CURVES.has(curve!) : KEY_TYPES.has(asymmetricKeyType!);
    if (!served) {
      const kind = curve === undefined ? asymmetricKeyType : `${curve} (${asymmetricKeyType})`;
      this.problems.push(
        `${path}: no client would take a key of the kind ${kind}; use one of RSA, or of EC on P-256`,
      );
    }
    return served;
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

  /** Clients judge by their own clock, so a certificate out of its time is used all the same. */
  private checkTime(path: string, { validFrom, validTo }: X509Certificate, isOurs: boolean): void {
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
    const what = isOurs ? "the certificate" : "a certificate of the chain";
    const renewal = Math.min(RENEWAL_MS, (to - from) * RENEWAL_SHARE);
    if (this.nowMs > to)
      this.warnings.push(`${path}: ${what} has expired (${validTo}); clients will refuse it`);
    else if (this.nowMs < from)
      this.warnings.push(
        `${path}: ${what} is not valid before ${validFrom}; clients will refuse it until then`,
      );
    else if (to - this.nowMs < renewal)
      this.warnings.push(`${path}: ${what} expires soon (${validTo}); renew it`);
  }
}

/** The certificates that this system trusts. */
function systemRoots(): Buffer | undefined {
  const named = process.env.SSL_CERT_FILE;
  for (const path of named === undefined ? ROOT_PATHS : [named, ...ROOT_PATHS]) {
    try {
      return readFileSync(path);
    } catch {
      // Another system's place.
    }
  }
  return undefined;
}

/** DNS names of a certificate; its common name when it has no others (as clients did once). */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? "").matchAll(/(?:^|, )DNS:([^,"]+)/g)];
  const common = subjectAltName === undefined ? [...subject.matchAll(/^CN=(.+)$/gm)] : [];
  return [...names, ...common].map((match) => match[1]!.toLowerCase());
}
