// Certificates of tests, made when a test starts by the openssl command: fixtures would expire.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CertificateOptions {
  /** Names and addresses of the subject, such as "DNS:localhost" or "IP:127.0.0.1". */
  readonly names: readonly string[];
  /** Default "ec", P-256. */
  readonly key?: keyof typeof KEYS;
  /** Expired yesterday. */
  readonly expired?: boolean;
}

export interface Certificate {
  /** PEM files: the certificate with its chain, and its key. Their texts suit `tls` of Node. */
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

const KEYS = {
  ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  rsa: ["-newkey", "rsa:2048"],
  ed25519: ["-newkey", "ed25519"],
  ed448: ["-newkey", "ed448"],
  rsaPss: ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
  p521: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
  k256: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
} as const;

/** What every test server answers to. */
export const LOCAL_NAMES = ["DNS:localhost", "DNS:test", "IP:127.0.0.1"];

/** An authority with its folder of files; `remove` it at the end. */
export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), "zproxy-certificates-"));
  /** PEM file of its own certificate. */
  readonly path = join(this.folder, "ca.pem");
  readonly cert: string;
  readonly #keyPath = join(this.folder, "ca.key");
  #count = 0;

  /** With a parent it is an intermediate one: who trusts the parent has to be sent its own. */
  constructor(name = "zproxy test authority", parent?: Authority) {
    const signer = parent === undefined ? [] : ["-CA", parent.path, "-CAkey", parent.#keyPath];
    const extensions = ["-addext", "basicConstraints=critical,CA:TRUE"];
    const subject = ["-subj", `/CN=${name}`, "-days", "2", "-nodes"];
    const files = ["-keyout", this.#keyPath, "-out", this.path];
    openssl(["req", "-x509", ...signer, ...KEYS.ec, ...subject, ...extensions, ...files]);
    this.cert = readFileSync(this.path, "utf8");
  }

  issue({ names, key = "ec", expired = false }: CertificateOptions): Certificate {
    const name = join(this.folder, String(this.#count++));
    const [certPath, keyPath] = [`${name}.pem`, `${name}.key`];
    const subject = ["-subj", "/CN=zproxy test", "-nodes"];
    openssl(["req", ...KEYS[key], ...subject, "-keyout", keyPath, "-out", `${name}.csr`]);
    writeFileSync(`${name}.ext`, `subjectAltName=${names.join(",")}\n`);
    const authority = ["-CA", this.path, "-CAkey", this.#keyPath, "-CAcreateserial"];
    const days = ["-days", expired ? "-1" : "2", "-extfile", `${name}.ext`];
    openssl(["x509", "-req", "-in", `${name}.csr`, ...authority, ...days, "-out", certPath]);
    const cert = readFileSync(certPath, "utf8") + this.cert;
    writeFileSync(certPath, cert);
    return { certPath, keyPath, cert, key: readFileSync(keyPath, "utf8") };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs the openssl command and returns what it prints. */
export function openssl(args: readonly string[], input = ""): string {
  const child = spawnSync("openssl", args, { encoding: "utf8", input });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) throw new Error(`openssl ${args.join(" ")}:\n${child.stderr}`);
  return child.stdout;
}

/** The section that switches TLS on. */
export function tlsSection(
  { certPath, keyPath }: Certificate,
  others: readonly Certificate[] = [],
  settings: readonly string[] = [],
): string {
  const pair = (it: { certPath: string; keyPath: string }) =>
    `cert_path = ${JSON.stringify(it.certPath)}\nkey_path = ${JSON.stringify(it.keyPath)}\n`;
  const tables = others.map((other) => `[[tls.certificates]]\n${pair(other)}`);
  const lines = settings.map((line) => `${line}\n`).join("");
  return `[tls]\n${pair({ certPath, keyPath })}${lines}${tables.join("")}`;
}
