// What a look at this machine found, one fact at a time, and how that is printed.

export type FactStatus = "ok" | "warning" | "error";

/** One thing about this machine that the configuration depends on. */
export interface HostFact {
  /** What was looked at: "kernel", "listen 0.0.0.0:443". */
  readonly name: string;
  /** "error": the server would not start. "warning": it would, but not do all that is wanted. */
  readonly status: FactStatus;
  readonly text: string;
  /** What to do about it; "" when nothing need be done. */
  readonly remedy: string;
}

export function ok(name: string, text: string): HostFact {
  return { name, status: "ok", text, remedy: "" };
}

export function warning(name: string, text: string, remedy: string): HostFact {
  return { name, status: "warning", text, remedy };
}

export function error(name: string, text: string, remedy: string): HostFact {
  return { name, status: "error", text, remedy };
}

export function countFacts(facts: readonly HostFact[]): Readonly<Record<FactStatus, number>> {
  const counts = { ok: 0, warning: 0, error: 0 };
  for (const { status } of facts) counts[status]++;
  return counts;
}

/** A line for each fact, its remedy below it, and a line that counts. */
export function formatFacts(facts: readonly HostFact[]): string {
  const lines = facts.flatMap(({ name, status, text, remedy }) => {
    const line = `${status.padEnd("warning".length)}  ${name}: ${text}`;
    return remedy === "" ? [line] : [line, `${" ".repeat("warning".length)}  remedy: ${remedy}`];
  });
  const { ok: fine, warning: warnings, error: errors } = countFacts(facts);
  const counts = [
    `${fine} ok`,
    `${warnings} warning${warnings === 1 ? "" : "s"}`,
    `${errors} error${errors === 1 ? "" : "s"}`,
  ];
  return `${[...lines, "", `this machine: ${counts.join(", ")}`].join("\n")}\n`;
}

/** The same for programs. Keys are added, never renamed or removed. */
export function factsDocument(facts: readonly HostFact[]): object {
  const { warning: warnings, error: errors } = countFacts(facts);
  return { errors, warnings, facts };
}
