// A node:test reporter that prints one JSON object at the end: {passed, failed, skipped: [name]}.
// test/run.mjs reads it, because the summary of the spec reporter is meant for people.

/** A suite that fails because of a hook, and not only because of the tests in it. */
function failedByItself(type, data) {
  return type === "test:fail" && data.details.error?.failureType !== "subtestsFailed";
}

/** Counts tests (not suites) as they finish. A file that dies counts as one failed test. */
export default async function* countReporter(events) {
  const counts = { passed: 0, failed: 0, skipped: [] };
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite" && !failedByItself(type, data)) continue;
    const skip = data.skip ?? data.todo;
    if (skip !== undefined && skip !== false) {
      const reason = typeof skip === "string" && skip !== "" ? ` (${skip})` : "";
      counts.skipped.push(`${data.name}${reason}`);
    } else if (type === "test:pass") {
      counts.passed++;
    } else {
      counts.failed++;
    }
  }
  yield JSON.stringify(counts);
}
