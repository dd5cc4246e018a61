// Facts about the user to become, and about files: certificates, roots, the log. What the server
// reads once it has dropped its privileges is tried as the user that it becomes.

import { dirname, resolve } from "node:path";
import type { Program } from "../data/api.ts";
import { checkRoots } from "./file-loader.ts";
import { error, type HostFact, ok, warning } from "./host-fact.ts";
import { type Access, type Machine, R_OK, W_OK, X_OK } from "./host-machine.ts";
import { findIdentity, type Identity, isCapable, linkTrouble } from "./privileges.ts";
import { StartError } from "./start-error.ts";
import { buildTlsKeys } from "./tls-keys.ts";

const CAP_SETGID = 6;
const CAP_SETUID = 7;

/** `serverFiles`: what workers load, read again when one is restarted. */
export function fileFacts(
  program: Program,
  machine: Machine,
  serverFiles: readonly string[],
): HostFact[] {
  const { facts, become } = userFacts(program, machine);
  return [
    ...facts,
    ...certificateFacts(program, machine),
    ...rootFacts(program),
    ...logFacts(program, machine, become),
    ...(become === undefined ? [] : factsAs(program, machine, become, serverFiles)),
  ];
}

/** Whom the server becomes, and what stands against it. */
function userFacts(
  { server }: Program,
  machine: Machine,
): { facts: HostFact[]; become?: Identity } {
  const name = "user";
  const settings = server.dropPrivileges;
  if (settings === undefined) {
    if (machine.uid !== 0) return { facts: [] };
    const text = "the server stays root";
    const remedy = "set drop_privileges_user in [security], or start it as another user";
    return { facts: [warning(name, text, remedy)] };
  }
  let identity: Identity;
  try {
    identity = findIdentity(settings, machine.addon);
  } catch (problem) {
    if (!(problem instanceof StartError)) throw problem;
    return { facts: [error(name, problem.message, "create it, or name another in [security]")] };
  }
  if (machine.uid !== 0) {
    const text = "drop_privileges_user does nothing unless the server is started as root";
    return { facts: [warning(name, text, "start as root, or take it out of [security]")] };
  }
  const status = machine.readText("/proc/self/status");
  if (!isCapable(status, CAP_SETUID) || !isCapable(status, CAP_SETGID))
    return {
      facts: [
        error(
          name,
          `root may not become ${identity.text} here`,
          "give the container the capabilities SETUID and SETGID, or start it as that user",
        ),
      ],
    };
  return { facts: [ok(name, `becomes ${identity.text}`)], become: identity };
}

function certificateFacts(program: Program, machine: Machine): HostFact[] {
  const name = "TLS";
  const { tls, ...rest } = program.server;
  // The kernel's part is a fact of its own.
  const { ktls: _, ...settings } = tls ?? { certificates: [], minVersion: "1.2" as const };
  const server = tls === undefined ? rest : { ...rest, tls: settings };
  const keys = buildTlsKeys({ ...program, server }, machine.addon);
  keys.free();
  const remedy = "correct the path in the configuration, or the file";
  const renewal = "renew it, and correct this machine's clock if that is wrong";
  const good = keys.certificates.filter(
    ({ path }) => !keys.warnings.some((text) => text.startsWith(`${path}:`)),
  );
  return [
    ...keys.problems.map((text) => error(name, text, remedy)),
    ...keys.warnings.map((text) => warning(name, text, renewal)),
    ...good.map(({ path, notAfterSecs }) => {
      const day = new Date(notAfterSecs * 1000).toISOString().slice(0, 10);
      return ok(name, `${path} and its key fit together, until ${day}`);
    }),
  ];
}

function rootFacts(program: Program): HostFact[] {
  const problems = checkRoots(program);
  const count = program.routes.filter(({ kind }) => kind === "file").length;
  const remedy = "a path without / at its start begins at the folder the server is started in";
  if (problems.length > 0) return problems.map((text) => error("files", text, remedy));
  return count === 0 ? [] : [ok("files", `the paths of ${count} route(s) can be read`)];
}

function logFacts({ server }: Program, machine: Machine, become: Identity | undefined): HostFact[] {
  const name = "log";
  const { filePath } = server.logging;
  if (filePath === undefined) return [];
  const folder = dirname(resolve(filePath));
  const trouble =
    become === undefined ? undefined : linkTrouble(filePath, machine.linkStat(filePath));
  if (trouble !== undefined) return [error(name, trouble.text, trouble.remedy)];
  const stat = machine.stat(filePath);
  if (stat?.isDirectory() === true)
    return [error(name, `${filePath} is a folder`, "name a file as file_path in [logging]")];
  const wanted: Access =
    stat === undefined ? { path: folder, mode: W_OK | X_OK } : { path: filePath, mode: W_OK };
  const [reason] = machine.access([wanted]) ?? [];
  if (reason !== "") {
    const remedy = "create the folder, and let the server write there";
    return [error(name, `${filePath} can't be written (${reason})`, remedy)];
  }
  // Rotation renames files in the folder, as whoever the server is by then.
  const [against] = machine.access([{ path: folder, mode: W_OK | X_OK }], become) ?? [""];
  if (against !== "" && stat?.isFile() !== false) {
    const who = become?.text ?? "this user";
    const text = `${who} may not create files in ${folder}, so the log can't be rotated`;
    return [warning(name, text, "let it write there, or set max_log_size = 0")];
  }
  return [ok(name, `${filePath} can be written`)];
}

/** What the user that the server becomes has to read. */
function factsAs(
  program: Program,
  machine: Machine,
  become: Identity,
  serverFiles: readonly string[],
): HostFact[] {
  const roots = program.routes.flatMap((route): Access[] => {
    if (route.kind !== "file") return [];
    const isFolder = machine.stat(route.path)?.isDirectory() === true;
    return [{ path: route.path, mode: isFolder ? X_OK : R_OK }];
  });
  const needed = [...serverFiles.map((path) => ({ path, mode: R_OK })), ...roots];
  const keys = [...tlsPaths(program)].map((path) => ({ path, mode: R_OK }));
  const reasons = machine.access([...needed, ...keys], become);
  const name = `as ${become.text}`;
  if (reasons === undefined) {
    const text = "nothing can be tried, because this user can't start node";
    return [warning(name, text, `let it read and run ${process.execPath}`)];
  }
  const exists = (path: string): boolean => machine.stat(path) !== undefined;
  const refused = (list: readonly Access[], first: number): string[] =>
    list.flatMap(({ path }, at) => (reasons[first + at] === "" || !exists(path) ? [] : [path]));
  const facts = refused(needed, 0).map((path) =>
    error(name, `can't read ${path}`, "let it read the file and enter the folders above"),
  );
  for (const path of refused(keys, needed.length)) {
    const text = `can't read ${path}, which the start reads as root and a reload does not`;
    facts.push(warning(name, text, "let its group read the file, or restart to renew it"));
  }
  return facts.length > 0 ? facts : [ok(name, "can read what it has to")];
}

/** Certificates, keys and roots of trust that the configuration names. */
function tlsPaths({ server, upstreams }: Program): Set<string> {
  const pairs = server.tls?.certificates ?? [];
  const authorities = upstreams.flatMap(({ tlsCaPath }) => tlsCaPath ?? []);
  return new Set([
    ...pairs.flatMap(({ certPath, keyPath }) => [certPath, keyPath]),
    ...authorities,
  ]);
}
