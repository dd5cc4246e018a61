// Records of the log as lines for a person at a terminal.

const LEVELS: ReadonlyMap<number, string> = new Map([
  [10, "TRACE"],
  [20, "DEBUG"],
  [30, "INFO"],
  [40, "WARN"],
  [50, "ERROR"],
  [60, "FATAL"],
]);

/** Left out after the message: printed elsewhere on the line. */
const PRINTED: ReadonlySet<string> = new Set(["level", "time", "msg"]);

/** Lines of JSON to lines of text; a line that is none stays what it is. */
export function terminalLines(lines: string): string {
  return lines
    .split("\n")
    .map((line) => (line.startsWith("{") ? terminalLine(line) : line))
    .join("\n");
}

function terminalLine(line: string): string {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = JSON.parse(line);
  } catch {
    return line;
  }
  const time = new Date(Number(record.time)).toISOString().slice(11, 23);
  const level = (LEVELS.get(Number(record.level)) ?? "").padEnd(5);
  const rest = Object.entries(record).filter(([key]) => !PRINTED.has(key));
  const fields = rest.map(([key, value]) => ` ${key}=${printed(value)}`);
  // A stack has lines of its own; a client's text can't, because it comes in fields.
  return `${time} ${level} ${record.msg}${fields.join("")}`;
}

/** Bare when it is a plain word; otherwise as JSON, which can't move a terminal's cursor. */
function printed(value: unknown): string {
  if (typeof value === "string" && /^[!#-~]+$/.test(value)) return value;
  return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
