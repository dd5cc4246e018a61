// A worker thread that accepts connections and then dies without closing anything. What it leaves
// behind is told by test/native/owner.test.ts, which starts it.

import { parentPort, workerData } from "node:worker_threads";

const { addonPath, engine, owner, listener, acceptCount, readCount, abi } = workerData;

const module_ = { exports: {} };
process.dlopen(module_, addonPath);
const addon = module_.exports;

const memory = addon.ringOpen(owner, 8, 64, engine);
const words = new Uint32Array(memory.rings);
const sqes = new Uint32Array(memory.sqes);
const owners = addon.owners();
const at = (name) => memory.offsets[abi[name]] >> 2;

function push(opcode, ioprio, fd, opFlags, op) {
  const tail = words[at("RING_OFFSET_SQ_TAIL")];
  const sqe = (tail & (memory.sqEntries - 1)) * abi.SQE_WORDS;
  sqes[sqe + abi.SQE_HEAD] = opcode | (ioprio << abi.SQE_HEAD_IOPRIO_SHIFT);
  sqes[sqe + abi.SQE_FD] = fd;
  sqes[sqe + abi.SQE_OP_FLAGS] = opFlags;
  sqes[sqe + abi.SQE_USER_DATA_HIGH] = op << abi.USER_DATA_OP_SHIFT;
  words[at("RING_OFFSET_SQ_TAIL")] = tail + 1;
}

const flags = abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC;
push(abi.IORING_OP_ACCEPT, abi.IORING_ACCEPT_MULTISHOT, listener, flags, abi.USER_OP_ACCEPT);
addon.ringEnter(memory.handle, 1, 0, 0);
parentPort.postMessage("listening");

// Waits until every connection is accepted, and looks at the first few completions only.
for (let turn = 0; turn < 400; turn++) {
  if (words[at("RING_OFFSET_CQ_TAIL")] >= acceptCount) break;
  addon.ringEnter(memory.handle, 0, acceptCount, 25);
}
const results = new Int32Array(memory.rings);
const accepted = [];
for (let i = 0; i < readCount; i++) {
  const fd = results[at("RING_OFFSET_CQ_CQES") + i * abi.CQE_WORDS + abi.CQE_RESULT];
  owners[fd] = owner + 1;
  accepted.push(fd);
  words[at("RING_OFFSET_CQ_HEAD")] = i + 1;
}

// One connection is about to be closed through the ring, but the submission never happens; another
// one was entered in the table although its completion still counts as unread.
owners[accepted[0]] = 0;
push(abi.IORING_OP_CLOSE, 0, accepted[0], 0, abi.USER_OP_CLOSE);
words[at("RING_OFFSET_CQ_HEAD")] = readCount - 1;

// Things that only the table knows.
addon.socket(owner, false);
addon.eventfd(owner);
addon.map(owner, 1 << 16, false);
addon.ringBuffers(memory.handle, 1, 16);

throw new Error("the worker dies as planned");
