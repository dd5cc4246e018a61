// zproxy explain: what becomes of one request, and why.

import { parseIp } from "../2-check/values/ip-address.ts";
import { parseRequest, requestHead, whyNoHeader } from "../2-check/values/request-line.ts";
import { compile } from "../compile.ts";
import { decide, lookedUp } from "../explain/decision.ts";
import { printDecision } from "../explain/decision-text.ts";
import { loadFileProbe, loadProbe } from "../load-program.ts";
import { packageRoot } from "../package-root.ts";
import {
  CONFIG_FILE,
  type Command,
  EXIT_ERRORS,
  EXIT_OK,
  parseArguments,
  printDiagnostics,
  readConfig,
  UsageError,
} from "./command.ts";

export const explainCommand: Command = {
  summary: "say what becomes of a request, and why",
  help: `zproxy explain [config.toml] METHOD URL [--ip ADDRESS] [-H 'Name: value']...
                      [--host] [--json]

Asks the compiled configuration itself: which host and route take the request and why the others
do not, what each check says, and the file or the URL and head it ends in.

  --ip ADDRESS         where the request comes from; default 127.0.0.1
  -H, --header HEADER  a header of the request; may be repeated
  --host               look for the file on this machine, as this user
  --json               the same for programs

Exit status: 0 explained, 1 the configuration has mistakes, 2 the command line has.
`,
  async run(args) {
    const { values, positionals } = parseArguments(args, {
      ip: { type: "string", default: "127.0.0.1" },
      header: { type: "string", short: "H", multiple: true, default: [] },
      host: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    });
    if (positionals.length < 2 || positionals.length > 3) {
      throw new UsageError("name a method and a URL: zproxy explain GET http://example.com/");
    }
    const [url = "", method = "", file = CONFIG_FILE] = positionals.toReversed();
    const request = parseRequest(method, url);
    if (!request.ok) throw new UsageError(`${method} ${url}: ${request.reason}`);
    const address = parseIp(values.ip);
    if (!address.ok) throw new UsageError(`--ip ${values.ip}: ${address.reason}`);
    const head = requestHead(request.value, values.header.map(parseHeader));
    const source = readConfig(file);
    const { files, ir, diagnostics } = compile(source);
    if (ir === undefined) {
      printDiagnostics(source, diagnostics, process.stderr);
      return EXIT_ERRORS;
    }
    const root = packageRoot(import.meta.url);
    const probe = await loadProbe(files, root);
    const question = { request: `${method} ${url}`, head, peer: address.value.text };
    const asked = decide(ir, probe, question);
    const decision = values.host ? lookedUp(asked, await loadFileProbe(files, root)) : asked;
    const { clientWords: _, ...document } = decision;
    process.stdout.write(
      values.json ? `${JSON.stringify(document, null, 2)}\n` : printDecision(decision),
    );
    return EXIT_OK;
  },
};

function parseHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(":");
  if (colon < 0) throw new UsageError(`a header is written 'Name: value', not ${text}`);
  const name = text.slice(0, colon).trim();
  const value = text.slice(colon + 1).trim();
  const reason = whyNoHeader(name, value);
  if (reason !== undefined) throw new UsageError(`the header ${text}: ${reason}`);
  return [name, value];
}
