// "npm start": the demo API, and zproxy in front of it with examples/quickstart.toml.
// PORT chooses another port for the page; the API then takes the one after it.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startDemoApi } from "./demo-api.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const COMMAND = join(root, "build/zproxy.mjs");
const PORT = 8080;

const port = Number(process.env.PORT || PORT);
if (!Number.isInteger(port) || port < 1 || port > 65534)
  fail(`PORT is no port: ${process.env.PORT}`);
if (!existsSync(COMMAND)) fail('build/zproxy.mjs is missing. Run "npm ci" first.');

await assertFree(port);
const api = await startDemoApi(port + 1).catch((error) => fail(sentenceFor(error, port + 1)));
const proxy = spawn(process.execPath, [COMMAND, "run", configFor(port)], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
  detached: true,
});

proxy.stdout.setEncoding("utf8").on("data", (text) => {
  process.stdout.write(text);
  if (!text.includes("listening on")) return;
  console.log(`\n  Open http://127.0.0.1:${port}/ in a browser, or try`);
  console.log(`  curl http://127.0.0.1:${port}/api/hello`);
  console.log("\n  The configuration is examples/quickstart.toml. Ctrl+C stops everything.\n");
});
proxy.on("exit", (code) => {
  api.closeAllConnections();
  api.close();
  process.exitCode = code ?? 1;
});

// The proxy has a process group of its own, so that one Ctrl+C reaches it once, from here: terminal
// and npm both send the signal, and a second one would cut its requests short.
let signalledAt = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (Date.now() - signalledAt < 1000) return;
    signalledAt = Date.now();
    proxy.kill("SIGTERM");
  });
}

/** The example itself, or a copy of it under build/ with other ports. */
function configFor(chosenPort) {
  const example = join(root, "examples/quickstart.toml");
  if (chosenPort === PORT) return example;
  const text = readFileSync(example, "utf8")
    .replaceAll(`:${PORT + 1}`, `:${chosenPort + 1}`)
    .replaceAll(`:${PORT}"`, `:${chosenPort}"`);
  const copy = join(root, "build/quickstart.toml");
  mkdirSync(dirname(copy), { recursive: true });
  writeFileSync(copy, text.replace(/^#:schema .*\n/, ""));
  return copy;
}

/** Ends with a clear sentence when the port is taken, before anything has been started. */
async function assertFree(wanted) {
  const probe = createServer();
  await new Promise((resolve) => {
    probe.once("error", (error) => fail(sentenceFor(error, wanted)));
    probe.listen(wanted, "127.0.0.1", () => probe.close(resolve));
  });
}

function sentenceFor(error, wanted) {
  if (error.code !== "EADDRINUSE") return error.message;
  const remedy = "Stop it, or choose other ports: PORT=9000 npm start";
  return `Port ${wanted} is in use by another program. ${remedy}`;
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
