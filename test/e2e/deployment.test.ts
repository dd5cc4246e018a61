// The examples of deployment, tried as far as a machine without systemd, Docker, Kubernetes and
// GitHub allows: units judged by systemd's own tools, an image's files run in a root of their own,
// a workflow's steps run in a repository, and what the files say of each other held together.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, type TestContext, test } from "node:test";
import { compile } from "zproxy/compiler/compile.ts";
import { serverSection } from "../lib/config.ts";
import { TestProcess } from "../lib/process.ts";
import { COMMAND, compileConfig } from "../lib/server.ts";
import { requireTool } from "../lib/tools.ts";

const DEPLOY = resolve("examples/deploy");
const CONFIG = join(DEPLOY, "config.toml");

const SCRATCH = mkdtempSync(join(tmpdir(), "zproxy-deploy-"));
after(() => rmSync(SCRATCH, { recursive: true, force: true }));

function textOf(path: string): string {
  return readFileSync(join(DEPLOY, path), "utf8");
}

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  return { status, output: `${stdout}${stderr}${error?.message ?? ""}` };
}

/** The documents of a YAML file, read by Python; undefined: the test is skipped. */
function yamlOf(t: TestContext, path: string): unknown[] | undefined {
  const python = requireTool(t, "python3");
  if (python === undefined) return undefined;
  const script = "import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
  const input = textOf(path);
  const child = spawnSync(python, ["-c", script], { input, encoding: "utf8" });
  if (/No module named 'yaml'/.test(child.stderr)) {
    t.skip("Python has no yaml; install the package python3-yaml");
    return undefined;
  }
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as unknown[];
}

/** What stands at a path of keys and indexes. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((it, key) => (it as Record<string, unknown>)?.[key], value);
}

function programSettings() {
  const { ir, diagnostics } = compile({ path: "config.toml", text: readFileSync(CONFIG, "utf8") });
  assert.ok(ir !== undefined);
  // Probes come from outside of the pod.
  assert.deepEqual(
    diagnostics.map(({ code }) => code),
    ["admin/exposed"],
  );
  return ir.server;
}

test("the configuration's own tests pass", () => {
  const { status, output } = run(process.execPath, [COMMAND, "test", CONFIG]);
  assert.equal(status, 0, output);
});

// ── systemd ─────────────────────────────────────────────────────────────────────────────────────

/** The units with paths that are there. */
function installUnits(): string[] {
  const folder = join(SCRATCH, "units");
  mkdirSync(folder, { recursive: true });
  return ["zproxy.service", "zproxy.socket"].map((name) => {
    const text = textOf(`systemd/${name}`)
      .replaceAll("/usr/bin/node", process.execPath)
      .replace("/srv/proxy", folder);
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  });
}

test("systemd takes the units, without a word", (t) => {
  const analyze = requireTool(t, "systemd-analyze");
  if (analyze === undefined) return;
  const { status, output } = run(analyze, ["verify", "--man=no", ...installUnits()]);
  assert.equal(status, 0, output);
  assert.doesNotMatch(output, /zproxy/, "nothing is said about the units");
  const broken = join(SCRATCH, "units/broken.service");
  writeFileSync(broken, textOf("systemd/zproxy.service").replace("KillMode", "KilMode"));
  assert.match(run(analyze, ["verify", "--man=no", broken]).output, /KilMode/);
});

test("systemd finds little to expose", (t) => {
  const analyze = requireTool(t, "systemd-analyze");
  if (analyze === undefined) return;
  const [service = ""] = installUnits();
  const args = ["security", "--offline=yes", "--no-pager", "--threshold=20", service];
  const { status, output } = run(analyze, args);
  assert.equal(status, 0, output);
  assert.match(output, /Overall exposure level for zproxy\.service: [01]\.\d/);
});

test("the service has time to answer what is in flight", () => {
  const unit = textOf("systemd/zproxy.service");
  const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
  const { shutdownTimeoutSecs } = compile({
    path: "default.toml",
    text: `${serverSection()}[path_routes."*"."/"]\npath = "/srv"\n`,
  }).ir!.server;
  assert.ok(stop > shutdownTimeoutSecs, `${stop} and ${shutdownTimeoutSecs}`);
});

test("one capability is enough for a low port, with all else gone", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root: there is nothing to give away");
  const config =
    '[server]\nlisten = "127.0.0.1:443"\nthreads = 2\n[path_routes."*"."/"]\npath = "."\n';
  const folder = await compileConfig(config, (it) => chmodSync(it, 0o755));
  const only = "-all,+net_bind_service";
  const user = ["--reuid=12345", "--regid=12345", "--clear-groups", "--no-new-privs"];
  const capabilities = [`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`];
  const server = [process.execPath, "dist/server.cjs"];
  // In a network of its own, whose port 443 nobody else has.
  const script = 'ip link set lo up && exec setpriv "$@"';
  const inner = ["sh", "-c", script, "sh", ...user, ...capabilities, ...server];
  const child = new TestProcess("unshare", ["--net", ...inner], { cwd: folder });
  await child.until("the ready line", () =>
    /listening on http:\/\/127\.0\.0\.1:443$/m.exec(child.stdout) ? true : undefined,
  );
  assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  rmSync(folder, { recursive: true });
});

// ── Docker ──────────────────────────────────────────────────────────────────────────────────────

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** The instructions of each stage. */
function stagesOf(dockerfile: string): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const line of dockerfile.split("\n")) {
    const [, name = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (name === "FROM") stages.push([]);
    if (name !== "") stages.at(-1)?.push({ name, rest });
    else assert.match(line, /^(#.*)?$/, "an instruction is a line");
  }
  return stages;
}

function only(stage: readonly Instruction[], name: string): string {
  const found = stage.filter((it) => it.name === name);
  assert.equal(found.length, 1, name);
  return found[0]!.rest;
}

/** Node, and the libraries that it loads, at the places they have. */
function copyNode(root: string): void {
  const node = realpathSync(process.execPath);
  const libraries = [...run("ldd", [node]).output.matchAll(/(\/\S+) \(0x/g)].map(
    ([, path]) => path!,
  );
  for (const path of libraries) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(realpathSync(path), join(root, path));
  }
  mkdirSync(join(root, "usr/local/bin"), { recursive: true });
  copyFileSync(node, join(root, "usr/local/bin/node"));
  for (const folder of ["proc", "tmp", "srv"]) mkdirSync(join(root, folder));
}

/** Runs the compile stage's own commands, but for npm ci, and returns the folder of its output. */
function runCompileStage(stage: readonly Instruction[]): string {
  const folder = join(SCRATCH, "stage");
  mkdirSync(folder);
  const shim = `#!/bin/sh\nshift\nexec "${process.execPath}" "${COMMAND}" "$@"\n`;
  writeFileSync(join(folder, "npx"), shim, { mode: 0o755 });
  const commands = stage.filter(({ name }) => name === "RUN").map(({ rest }) => rest);
  assert.match(commands[0] ?? "", /^npm ci\b/);
  const [, config = ""] = only(stage, "ARG").split("=");
  for (const command of commands.slice(1)) {
    const script = command.replace("/out", folder);
    const env = { CONFIG: config, PATH: `${folder}:${process.env.PATH}` };
    const { status, output } = run("sh", ["-ec", script], env);
    assert.equal(status, 0, `${script}: ${output}`);
  }
  return folder;
}

test("the image: a user, what was compiled and Node are enough, io_uring or not", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root to make a root folder of its own");
  const [compiling = [], shipped = []] = stagesOf(textOf("docker/Dockerfile"));
  const folder = runCompileStage(compiling);
  const root = join(SCRATCH, "root");
  copyNode(root);
  const [from = "", to = ""] = shipped
    .filter(({ name, rest }) => name === "COPY" && rest.startsWith("--from=compile "))
    .map(({ rest }) => rest.split(" "))
    .flatMap(([, ...paths]) => paths);
  const workdir = join(root, only(shipped, "WORKDIR"));
  cpSync(from.replace("/out", folder), join(workdir, to), { recursive: true });
  const [, site = ""] = only(shipped, "ARG").split("=");
  cpSync(site, join(workdir, "site"), { recursive: true });

  const [uid = "", gid = ""] = only(shipped, "USER").split(":");
  assert.ok(Number(uid) > 0 && Number(gid) > 0, "not root, and by number, as Kubernetes wants it");
  const entry = JSON.parse(only(shipped, "ENTRYPOINT")) as string[];
  assert.equal(entry[0], "node");
  // The name of the API is nobody's here, which must not stop the start; nor must a closed root.
  const script =
    'ip link set lo up; mount -t proc proc "$1/proc"; mount --bind "$1" "$1";' +
    ' mount -o remount,bind,ro "$1"; cd "$1"; root=$1; shift; exec "$@"';
  const launch = ["chroot", `--userspec=${uid}:${gid}`, root, "/bin-start"];
  const start = `#!/usr/local/bin/node\nprocess.chdir(${JSON.stringify(only(shipped, "WORKDIR"))});
process.argv.splice(1, 1);\nrequire(require("node:path").resolve(${JSON.stringify(entry[1])}));\n`;
  writeFileSync(join(root, "bin-start"), start, { mode: 0o755 });
  for (const filter of [[], ["python3", resolve("test/lib/without-io-uring.py")]]) {
    const isolate = ["--net", "--mount", "sh", "-ec", script, "sh", root, ...filter, ...launch];
    const child = new TestProcess("unshare", isolate);
    await child.until("the ready line", () =>
      /listening on http:\/\/0\.0\.0\.0:8080$/m.exec(child.stdout) ? true : undefined,
    );
    const pid = String(child.pid);
    const page = run("nsenter", [`--net=/proc/${pid}/ns/net`, "node", "-e", CLIENT]);
    assert.deepEqual(page, { status: 0, output: "200 200 200\n" }, child.output);
    if (filter.length > 0) assert.match(child.output, /epoll serves instead/);
    assert.deepEqual(await child.stop("SIGTERM"), { code: 0, signal: null }, child.output);
  }
});

/** Asks for a page and for both probes, in the network of the server. */
const CLIENT = `
(async () => {
  const statuses = [];
  for (const place of ["8080/", "9901/healthz", "9901/readyz"])
    statuses.push((await fetch("http://127.0.0.1:" + place)).status);
  console.log(statuses.join(" "));
})();
`;

test("what Docker does not copy is what git does not keep", () => {
  const ignored = textOf("docker/Dockerfile.dockerignore").trim().split("\n");
  for (const path of ["node_modules", "build", "dist", ".git", "native/build"])
    assert.ok(ignored.includes(path), path);
  for (const path of ignored)
    if (path !== ".git") assert.equal(run("git", ["check-ignore", `${path}/x`]).status, 0, path);
});

test("the seccomp profile of the docs allows the three calls", (t) => {
  const jq = requireTool(t, "jq");
  if (jq === undefined) return;
  const [, script = ""] = /```sh\n(jq [\s\S]*?)> zproxy\.json\n/.exec(textOf("README.md")) ?? [];
  const profile = join(SCRATCH, "default.json");
  writeFileSync(profile, '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"]}]}');
  const { status, output } = run("sh", ["-ec", script.replace("default.json", profile)]);
  assert.equal(status, 0, output);
  const names = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
  assert.deepEqual(at(JSON.parse(output), "syscalls", 1), { names, action: "SCMP_ACT_ALLOW" });
});

// ── Kubernetes ──────────────────────────────────────────────────────────────────────────────────

test("the manifest fits the configuration, and itself", (t) => {
  const documents = yamlOf(t, "kubernetes/zproxy.yaml");
  if (documents === undefined) return;
  const kinds = documents.map((it) => at(it, "kind"));
  assert.deepEqual(kinds, ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"]);
  const server = programSettings();
  const [deployment, service, budget, policy] = documents;
  const pod = at(deployment, "spec", "template", "spec");
  const container = at(pod, "containers", 0);
  assert.deepEqual(at(container, "ports"), [
    { name: "http", containerPort: server.listen[0]!.port },
    { name: "admin", containerPort: server.admin!.port },
  ]);
  const probes = ["startupProbe", "readinessProbe", "livenessProbe"].map((name) =>
    at(container, name, "httpGet"),
  );
  const [ready, live] = ["/readyz", "/healthz"].map((path) => ({ path, port: "admin" }));
  assert.deepEqual(probes, [ready, ready, live]);
  const wait = Number(at(container, "lifecycle", "preStop", "exec", "command", 1));
  const grace = Number(at(pod, "terminationGracePeriodSeconds"));
  assert.ok(grace >= wait + server.shutdownTimeoutSecs + 5, `${grace}, ${wait}`);
  assert.equal(at(pod, "securityContext", "runAsNonRoot"), true);
  assert.deepEqual(at(container, "securityContext"), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  const labels = at(deployment, "spec", "template", "metadata", "labels");
  for (const selector of [
    at(deployment, "spec", "selector", "matchLabels"),
    at(service, "spec", "selector"),
    at(budget, "spec", "selector", "matchLabels"),
    at(policy, "spec", "podSelector", "matchLabels"),
  ])
    assert.deepEqual(selector, labels);
  const image = stagesOf(textOf("docker/Dockerfile")).at(-1)!;
  const [uid] = only(image, "USER").split(":");
  assert.equal(String(at(pod, "securityContext", "runAsUser")), uid);
});

// ── GitHub ──────────────────────────────────────────────────────────────────────────────────────

interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly if?: string;
  readonly run?: string;
}

const OLD = `[server]
listen = "0.0.0.0:8080"

[path_routes."example.com"."/"]
type = "Proxy"
url = "http://127.0.0.1:9000/"

[[tests]]
request = "GET http://example.com/x"
expect = { url = "http://127.0.0.1:9000/x" }
`;

/** A repository whose last commit is the pull request's, and the programs that steps call. */
function makeRepository(name: string, base: string | undefined, change: string): string {
  const folder = join(SCRATCH, name);
  mkdirSync(join(folder, "bin"), { recursive: true });
  const node = process.execPath;
  const shims = {
    npm: "exit 0",
    npx: `shift; exec "${node}" "${COMMAND}" "$@"`,
    // Keeps what is posted.
    gh: `echo "$@" > "${folder}/gh.txt"; cp diff.md "${folder}/comment.md"`,
  };
  for (const [program, script] of Object.entries(shims))
    writeFileSync(join(folder, "bin", program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const git = (...args: string[]) => {
    const user = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    const { status, output } = run("git", ["-C", join(folder, "work"), ...user, ...args]);
    assert.equal(status, 0, output);
    return output.trim();
  };
  mkdirSync(join(folder, "work"));
  git("init", "--quiet");
  writeFileSync(join(folder, "work/README"), "a repository\n");
  if (base !== undefined) writeFileSync(join(folder, "work/config.toml"), base);
  git("add", ".");
  git("commit", "--quiet", "-m", "base");
  writeFileSync(join(folder, "work/config.toml"), change);
  git("add", ".");
  git("commit", "--quiet", "-m", "change");
  return folder;
}

/** Runs the steps as a runner does. Returns the names of those that failed, and the comment. */
function runWorkflow(
  steps: readonly Step[],
  env: NodeJS.ProcessEnv,
  folder: string,
  fromFork = false,
) {
  const failed: string[] = [];
  const outcomes = new Map<string, string>();
  let annotations = "";
  for (const step of steps) {
    if (step.run === undefined) continue;
    if (step.if === undefined && failed.length > 0) continue;
    const needed = /steps\.(\w+)\.outcome == 'success'/.exec(step.if ?? "")?.[1];
    if (needed !== undefined && outcomes.get(needed) !== "success") continue;
    if (fromFork && /head\.repo\.full_name == github\.repository/.test(step.if ?? "")) continue;
    const script = `cd "${folder}/work"\n${step.run}`;
    const path = `${folder}/bin:${process.env.PATH}`;
    const summary = join(folder, "summary.md");
    const all = { ...env, PATH: path, GITHUB_STEP_SUMMARY: summary };
    const { status, output } = run("bash", ["-ec", script], all);
    annotations += output;
    if (step.id !== undefined) outcomes.set(step.id, status === 0 ? "success" : "failure");
    if (status !== 0) failed.push(step.name ?? "");
  }
  const read = (name: string) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "";
  const [comment, summary] = [read("comment.md"), read("summary.md")];
  return { failed, annotations, comment, summary, gh: read("gh.txt").trim() };
}

function workflow(t: TestContext): { steps: Step[]; env: NodeJS.ProcessEnv } | undefined {
  const [document] = yamlOf(t, "github/review.yml") ?? [];
  if (document === undefined) return undefined;
  assert.deepEqual(at(document, "permissions"), { contents: "read", "pull-requests": "write" });
  const job = at(document, "jobs", "review");
  const steps = at(job, "steps") as Step[];
  for (const { run: script = "" } of steps)
    assert.doesNotMatch(script, /\$\{\{/, "what others write reaches a shell as a variable only");
  const declared = at(job, "env") as Record<string, string>;
  assert.equal(declared.BASE, ["$", "{{ github.event.pull_request.base.sha }}"].join(""));
  return { steps, env: { CONFIG: declared.CONFIG, BASE: "HEAD~1", NUMBER: "7", GH_TOKEN: "none" } };
}

test("the workflow passes a good change, and posts what changes", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const change = OLD.replace('"/"', '"/v2"').replace("com/x", "com/v2/x");
  const folder = makeRepository("good", OLD, change);
  const { failed, comment, gh, annotations } = runWorkflow(steps, env, folder);
  assert.deepEqual(failed, [], annotations);
  assert.match(comment, /example\.com/);
  assert.match(comment, /404/);
  assert.equal(gh, "pr comment 7 --body-file diff.md --edit-last --create-if-none");
});

test("from a fork, where the token may not write, the summary has what changes", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const folder = makeRepository(
    "fork",
    OLD,
    OLD.replace('"/"', '"/v2"').replace("com/x", "com/v2/x"),
  );
  const { failed, gh, summary, annotations } = runWorkflow(steps, env, folder, true);
  assert.deepEqual(failed, [], annotations);
  assert.match(summary, /example\.com/);
  assert.equal(gh, "");
});

test("the workflow fails with a broken expectation, and still posts what changes", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const folder = makeRepository("bad", OLD, OLD.replace(':9000/"\n\n', ':9001/"\n\n'));
  const { failed, comment, annotations } = runWorkflow(steps, env, folder);
  assert.deepEqual(failed, ["Test"], annotations);
  assert.match(annotations, /::error .*file=config\.toml/);
  assert.match(comment, /9001/);
});

test("the workflow says what is wrong with a file that does not compile, and posts nothing", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const folder = makeRepository("wrong", OLD, OLD.replace("listen", "lisen"));
  const { failed, gh, annotations } = runWorkflow(steps, env, folder);
  assert.deepEqual(failed, ["Check", "Test", "Compare"], annotations);
  assert.match(annotations, /::error file=config\.toml,line=2/);
  assert.equal(gh, "");
});

test("the workflow takes a configuration that is new", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const { failed, comment, annotations } = runWorkflow(
    steps,
    env,
    makeRepository("new", undefined, OLD),
  );
  assert.deepEqual(failed, [], annotations);
  assert.equal(comment, "A new configuration.\n");
});

test("a difference that is too long for a comment goes without its code, or is cut", (t) => {
  const { steps, env } = workflow(t) ?? {};
  if (steps === undefined || env === undefined) return;
  const route = (index: number) =>
    `\n[path_routes."h${index}.example"."/some/prefix/${index}"]\ntype = "Proxy"\nurl = "http://127.0.0.1:9000/"\n`;
  for (const count of [120, 300]) {
    const routes = Array.from({ length: count }, (_, index) => route(index)).join("");
    const long = OLD.replace("\n[[tests]]", `${routes}\n[[tests]]`);
    const folder = makeRepository(`long-${count}`, OLD, long);
    const { failed, comment, annotations } = runWorkflow(steps, env, folder);
    assert.deepEqual(failed, [], annotations);
    assert.ok(comment.length > 20_000 && comment.length <= 65_536, `${comment.length}`);
    assert.ok(!comment.includes("```diff"), "the table is what is kept");
  }
});
