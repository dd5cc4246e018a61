// `zproxy check --host` and `node server.cjs --check`: what this machine lacks for a configuration,
// all of it at once. It changes nothing, and a server that runs beside it does not notice.

import { join } from "node:path";
import { ABI_VERSION } from "../../native/abi.ts";
import type { Program } from "../data/api.ts";
import { type Addon, loadAddon } from "../native.ts";
import { fileFacts } from "./host-check-files.ts";
import { kernelFacts } from "./host-check-kernel.ts";
import { listenerFacts, nameFacts } from "./host-check-network.ts";
import { countFacts, error, factsDocument, formatFacts, type HostFact, ok } from "./host-fact.ts";
import { type Machine, ThisMachine } from "./host-machine.ts";

/** What the machine is for this program. `serverFiles`: what has to be readable beside it. */
export async function checkMachine(
  program: Program,
  machine: Machine,
  serverFiles: readonly string[],
): Promise<HostFact[]> {
  return [
    ...kernelFacts(program, machine),
    ...listenerFacts(program, machine),
    ...fileFacts(program, machine, serverFiles),
    ...(await nameFacts(program, machine)),
  ];
}

/** The facts about this machine, for a program and the addon that would serve it. */
export async function checkHost(
  program: Program,
  addonPath: string,
  serverFiles: readonly string[],
): Promise<HostFact[]> {
  const name = "system";
  if (process.platform !== "linux") {
    const remedy = "check the machine that it is to run on";
    return [error(name, `the server needs Linux; this is ${process.platform}`, remedy)];
  }
  let addon: Addon;
  try {
    addon = loadAddon(addonPath);
  } catch (problem) {
    const text = `can't load ${addonPath}: ${(problem as Error).message}`;
    return [error(name, text, "compile the configuration on a machine like this one")];
  }
  if (addon.abiVersion !== ABI_VERSION) {
    const text = `${addonPath} belongs to another version`;
    return [error(name, text, "compile the configuration again")];
  }
  const found = await checkMachine(program, new ThisMachine(addon), serverFiles);
  return [ok(name, `Node ${process.versions.node} on ${process.arch}`), ...found];
}

/** `node server.cjs --check [--json]`, in the folder of the bundle. Returns the exit status. */
export async function checkBundle(
  program: Program,
  folder: string,
  asJson: boolean,
): Promise<number> {
  const addonPath = join(folder, "zproxy.node");
  const facts = await checkHost(program, addonPath, [join(folder, "server.cjs"), addonPath]);
  const json = `${JSON.stringify(factsDocument(facts), null, 2)}\n`;
  process.stdout.write(asJson ? json : formatFacts(facts));
  return countFacts(facts).error > 0 ? 1 : 0;
}
