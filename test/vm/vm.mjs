// Runs a command under Debian's stock kernel (6.1) in qemu: with the kernel's TLS, which the host
// may lack, and with the io_uring of the oldest kernel that is supported. The command sees the
// host's files, in a copy that is thrown away, and its output comes out here.

import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** Raise it whenever what prepare.sh makes changes. */
const FORMAT = 2;
const MEBIBYTES = 2048;

/** The environment that the command keeps; the rest is about the host. */
const KEPT = ["PATH", "HOME", "USER", "LANG", "CI", "SEED", "TMPDIR"];

/** This machine can't have a guest; the message says why. */
export class NoVm extends Error {}

/** The guest gave no result. */
export class VmError extends Error {}

/**
 * Runs `args` in the guest, in the folder `cwd`, for at most `limitSecs`. `body` gets the exit
 * status and the job's folder: the guest finds it under the same path and can leave files there.
 */
export async function withVm({ args, cwd, env, limitSecs }, body) {
  const image = prepared();
  const job = mkdtempSync(join(tmpdir(), "zproxy-vm-"));
  try {
    const command = typeof args === "function" ? args(job) : args;
    writeFileSync(join(job, "command"), commandText(command, cwd, env));
    const ended = await boot(image, job, limitSecs);
    if (!existsSync(join(job, "status"))) throw new VmError(`the guest ${ended} without a result`);
    return body(Number(readFileSync(join(job, "status"), "utf8")), job);
  } finally {
    rmSync(job, { recursive: true });
  }
}

/** A shell script that runs the command with the environment it is to have. */
function commandText(args, cwd, env) {
  const kept = KEPT.filter((name) => process.env[name] !== undefined);
  const all = { ...Object.fromEntries(kept.map((name) => [name, process.env[name]])), ...env };
  const settings = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  const words = ["exec", "/usr/bin/env", "-i", ...settings, ...args];
  return `cd ${quoted(cwd)} || exit 125\n${words.map(quoted).join(" ")}\n`;
}

function quoted(text) {
  return `'${String(text).replaceAll("'", `'\\''`)}'`;
}

/** The folder with kernel and initramfs, made on first use and kept. */
function prepared() {
  if (process.arch !== "x64") throw new NoVm("the guest's recipe is for x86-64 only");
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "zproxy-vm");
  const image = join(cache, String(FORMAT));
  mkdirSync(cache, { recursive: true });
  // Another run may be preparing at this moment: all but the first find the work done.
  const make = [
    `test -e ${quoted(image)} && command -v qemu-system-x86_64 >/dev/null && exit 0`,
    `fresh=$(mktemp -d -p ${quoted(cache)})`,
    "trap 'rm -rf \"$fresh\"' EXIT",
    `${quoted(join(folder, "prepare.sh"))} "$fresh" >"$fresh/log" 2>&1 || {`,
    '  tail -n 20 "$fresh/log"; exit 1; }',
    `rm -rf ${quoted(image)} && mv "$fresh" ${quoted(image)}`,
  ];
  const lock = join(cache, "lock");
  const made = spawnSync("flock", [lock, "bash", "-c", make.join("\n")], { encoding: "utf8" });
  if (made.status !== 0) throw new NoVm(`the guest can't be prepared:\n${made.stdout}`);
  unpackKernel(image);
  return image;
}

/**
 * Takes the kernel proper out of its self-extracting wrapper, which would unpack itself as slowly
 * as the emulated processor is (Linux boot protocol: setup_sects, payload_offset, payload_length).
 */
function unpackKernel(image) {
  const kernel = join(image, "vmlinux");
  if (existsSync(kernel)) return;
  const wrapped = readFileSync(join(image, "vmlinuz"));
  const start = (wrapped.readUInt8(0x1f1) + 1) * 512 + wrapped.readUInt32LE(0x248);
  // The last four bytes are the unpacked size, and no part of the compressed stream.
  const payload = wrapped.subarray(start, start + wrapped.readUInt32LE(0x24c) - 4);
  const maxBuffer = 2 ** 28;
  const unpacked = spawnSync("xz", ["-dc"], { input: payload, maxBuffer });
  if (unpacked.status !== 0) throw new NoVm(`the kernel can't be unpacked: ${unpacked.stderr}`);
  writeFileSync(`${kernel}.new`, unpacked.stdout);
  renameSync(`${kernel}.new`, kernel);
}

/** qemu's arguments. No KVM: a test machine is often a guest itself, and may not have it. */
function machineOf(image, job) {
  const parameters = ["console=ttyS0", "loglevel=1", "panic=-1", "mitigations=off", "nokaslr"];
  parameters.push("tsc=reliable", "init_on_alloc=0", `job=${job}`, `modules=${image}/lib/modules`);
  const shared = (id, path, more) => [
    "-fsdev",
    `local,id=${id},path=${path},security_model=none,${more}`,
    "-device",
    `virtio-9p-pci,fsdev=${id},mount_tag=${id}`,
  ];
  return [
    // q35 has the timers that the kernel needs to find out how fast its clock runs.
    ...["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"],
    ...["-smp", String(availableParallelism()), "-m", String(MEBIBYTES)],
    ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
    ...["-kernel", join(image, "vmlinux"), "-initrd", join(image, "initramfs")],
    ...["-append", parameters.join(" ")],
    ...shared("host", "/", "readonly=on,multidevs=remap"),
    ...shared("job", job, "multidevs=remap"),
  ];
}

/** Boots, passes the guest's output on, and returns how it ended. */
async function boot(image, job, limitSecs) {
  const child = spawn("qemu-system-x86_64", machineOf(image, job), {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  const leave = () => process.exit(143);
  process.once("SIGTERM", leave);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, limitSecs * 1000);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (error) =>
        reject(new VmError(`qemu can't be started: ${error.message}`)),
      );
      child.once("exit", () => resolve(late ? `was stopped after ${limitSecs} s` : "ended"));
    });
  } finally {
    clearTimeout(timer);
    process.removeListener("exit", stop);
    process.removeListener("SIGTERM", leave);
  }
}
