// Why the kernel has not taken a connection was logged by each worker that met it: the same line as
// many times as there are workers, with nothing to tell them apart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENOENT, EOPNOTSUPP } from "../../native/abi.ts";
import { Connection } from "../../runtime/data/connection.ts";
import { toldMemory } from "../../runtime/data/ktls.ts";
import { TlsSession } from "../../runtime/data/tls-session.ts";
import { kernelTls } from "../lib/kernel-tls.ts";

test("each cause is told once, by whichever worker meets it first", () => {
  const told = toldMemory();
  const warnings: string[] = [];
  const errors = [EOPNOTSUPP, EOPNOTSUPP, ENOENT];
  for (let worker = 0; worker < 3; worker++) {
    let at = 0;
    const kernel = kernelTls({ tlsToKernel: () => -errors[at++]! }, told, warnings);
    for (const _ of errors) kernel.moveOutput(new Connection(0), new TlsSession());
  }
  assert.equal(warnings.length, 2);
  assert.match(warnings[0]!, /it can't do what the peer wants/);
  assert.match(warnings[1]!, /it has no TLS/);
  const others: string[] = [];
  const next = kernelTls({ tlsToKernel: () => -ENOENT }, toldMemory(), others);
  next.moveOutput(new Connection(0), new TlsSession());
  assert.equal(others.length, 1, "a next program tells anew");
});
