// The command line of the bench, in one place.

import { parseArgs } from "node:util";

/** `epoll` is zproxy on its other engine, `before` is a saved build. */
const SERVER_NAMES = ["zproxy", "epoll", "before", "nginx", "haproxy"] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** `fixed` is backend.c. */
const BACKEND_NAMES = ["fixed", "nginx"] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

export interface Options {
  /** Case names to run; empty means all. */
  readonly cases: readonly string[];
  readonly servers: readonly ServerName[];
  readonly backend: BackendName;
  /** Ask with wrk also where that is slower than the servers. */
  readonly wrk: boolean;
  readonly rounds: number;
  /** Length of one timed run; wrk takes whole seconds only. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly smoke: boolean;
  readonly bars: boolean;
  readonly list: boolean;
  readonly help: boolean;
  readonly jsonFile?: string;
  readonly saveDir?: string;
  readonly againstDir?: string;
}

export const USAGE = `npm run bench -- [options]
  --case NAME[,NAME]     only these cases (--list names them)
  --rounds N             timed rounds of each case, default 5
  --seconds S            length of one timed run, default 3
  --servers A[,B]        of zproxy, nginx, haproxy, and epoll: zproxy with io = "epoll"; default
                         the first three
  --backend NAME         what stands behind the proxies: fixed (default, test/bench/backend.c) or
                         nginx, which takes so much of the load's CPU that a fast proxy waits
  --wrk                  ask with wrk also where that is the limit, and not the servers
  --json FILE            write every figure, every round and the machine's state
  --bars                 exit 1 when a bar is missed or could not be measured
  --smoke                every case once and short: does the bench work, are the answers right
  --save-dir DIR         compile zproxy's bundle for the bench into DIR and exit
  --against-dir DIR      compare with the bundle saved there, in both orders
  --list                 name the cases
`;

/** Reads the arguments; throws an Error with a sentence for the user when they make no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      servers: { type: "string" },
      backend: { type: "string", default: "fixed" },
      wrk: { type: "boolean", default: false },
      json: { type: "string" },
      "save-dir": { type: "string" },
      "against-dir": { type: "string" },
      bars: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const smoke = values.smoke;
  return {
    cases: splitList(values.case),
    servers: readServers(values.servers, values["against-dir"] !== undefined),
    backend: readBackend(values.backend),
    wrk: values.wrk,
    rounds: readCount("--rounds", values.rounds, smoke ? 1 : 5),
    seconds: readCount("--seconds", values.seconds, smoke ? 1 : 3),
    warmupSeconds: smoke ? 0 : 2,
    smoke,
    bars: values.bars,
    list: values.list,
    help: values.help,
    ...(values.json === undefined ? {} : { jsonFile: values.json }),
    ...(values["save-dir"] === undefined ? {} : { saveDir: values["save-dir"] }),
    ...(values["against-dir"] === undefined ? {} : { againstDir: values["against-dir"] }),
  };
}

function splitList(text: string | undefined): string[] {
  return (text ?? "").split(",").filter((name) => name !== "");
}

function readBackend(text: string): BackendName {
  const name = BACKEND_NAMES.find((known) => known === text);
  if (name === undefined) throw new Error(`--backend is one of ${BACKEND_NAMES.join(", ")}`);
  return name;
}

function readCount(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`${option} wants a number >= 1`);
  return count;
}

function readServers(text: string | undefined, against: boolean): ServerName[] {
  if (text === undefined) return against ? ["zproxy", "before"] : ["zproxy", "nginx", "haproxy"];
  const named = new Set(splitList(text));
  if (against) named.add("zproxy").add("before");
  for (const name of named) {
    const known = SERVER_NAMES.some((server) => server === name) && (name !== "before" || against);
    if (!known) throw new Error(`--servers: no such server: ${name}`);
  }
  return SERVER_NAMES.filter((name) => named.has(name));
}
