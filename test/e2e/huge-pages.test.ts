// huge_pages_enabled: whatever the kernel gives, the server runs, and the log says what it was.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { PAGES_HUGE, PAGES_ORDINARY, PAGES_TRANSPARENT } from "../../native/abi.ts";
import { describePages } from "../../runtime/control/huge-pages.ts";
import { BUFFER_COUNTS } from "../../runtime/control/worker-sizes.ts";
import { arenaBytes } from "../../runtime/data/buffers.ts";
import { fileRoute, serverSection } from "../lib/config.ts";
import { exchange, request } from "../lib/raw-client.ts";
import { startServer, type TestServer } from "../lib/server.ts";

const MEBIBYTE = 1 << 20;
const SAID = /buffers .*are on (reserved huge|transparent huge|ordinary) pages.*/;
const RESERVE = "/proc/sys/vm/nr_hugepages";
const PAGE_BYTES = 2 * MEBIBYTE;
const SWITCH = "/sys/kernel/mm/transparent_hugepage/enabled";

/** Mappings of 64 MiB and more, by a flag of theirs: only arenas are that large. */
function largeMappings(server: TestServer, flag: string): number {
  const regions = readFileSync(`/proc/${server.pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-)/m);
  return regions.filter((region) => {
    const kib = Number(/^Size: +(\d+) kB/m.exec(region)?.[1] ?? 0);
    return kib >= 64 * 1024 && new RegExp(`^VmFlags:.*\\b${flag}\\b`, "m").test(region);
  }).length;
}

for (const enabled of [true, false]) {
  test(`huge_pages_enabled = ${enabled}`, async () => {
    const performance = `[performance]\nhuge_pages_enabled = ${enabled}\n`;
    const server = await startServer(serverSection(2) + performance + fileRoute("/none", "/usr"));
    // hg: MADV_HUGEPAGE was taken; ht: pages of the reserve.
    const advised = largeMappings(server, "hg");
    const reserved = largeMappings(server, "ht");
    if (!enabled) {
      assert.equal(advised + reserved, 0);
      assert.doesNotMatch(server.log(), SAID);
    } else {
      const said = () => SAID.exec(server.log()) ?? undefined;
      const [line, pages] = await server.process.until("what the buffers are on", said);
      if (pages === "reserved huge") assert.equal(reserved, 2);
      else {
        assert.equal(advised + reserved, 2);
        assert.match(line, /vm\.nr_hugepages = \d+ would reserve enough/);
        const off = readFileSync(SWITCH, "utf8").includes("[never]");
        assert.equal(pages, off ? "ordinary" : "transparent huge");
      }
    }
    assert.equal((await exchange(server.port, request("GET /"))).status, 404);
    await server.stop();
  });
}

test("reserved huge pages are what the buffers are on", async (t) => {
  const before = Number(readFileSync(RESERVE, "utf8"));
  const mebibytes = Math.ceil(arenaBytes(BUFFER_COUNTS, PAGE_BYTES) / MEBIBYTE);
  const wanted = before + Math.ceil(mebibytes / (PAGE_BYTES / MEBIBYTE)) + 1;
  try {
    writeFileSync(RESERVE, String(wanted));
  } catch {
    return t.skip("needs root, to reserve huge pages");
  }
  try {
    if (Number(readFileSync(RESERVE, "utf8")) < wanted)
      return t.skip(`the system has not ${wanted} huge pages to reserve`);
    const performance = "[performance]\nhuge_pages_enabled = true\n";
    const server = await startServer(serverSection() + performance + fileRoute("/none", "/usr"));
    const [line] = await server.process.until(
      "its pages",
      () => SAID.exec(server.log()) ?? undefined,
    );
    assert.equal(line, 'buffers are on reserved huge pages"}');
    assert.equal(largeMappings(server, "ht"), 1);
    assert.equal((await exchange(server.port, request("GET /"))).status, 404);
    await server.stop();
  } finally {
    writeFileSync(RESERVE, String(before));
  }
});

test("what is said counts all workers", () => {
  const huge = { pages: PAGES_HUGE, bytes: 5 * MEBIBYTE };
  const ordinary = { pages: PAGES_ORDINARY, bytes: 5 * MEBIBYTE };
  const transparent = { pages: PAGES_TRANSPARENT, bytes: 5 * MEBIBYTE };
  assert.deepEqual(describePages([huge, huge]), {
    text: "buffers are on reserved huge pages",
    warning: false,
  });
  const mixed = describePages([huge, ordinary]);
  assert.match(mixed.text, /of 1 worker\(s\) are on reserved huge pages, others are on ordinary/);
  assert.match(mixed.text, /vm\.nr_hugepages = 6 /);
  assert.equal(mixed.warning, true);
  assert.match(describePages([transparent]).text, /^buffers are on (transparent|ordinary)/);
});
