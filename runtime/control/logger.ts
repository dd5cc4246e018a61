// The server's log: pino on the main thread, to standard error or a file.

import pino, { type Logger } from "pino";
import type { LoggingSettings } from "../data/api.ts";

export interface ServerLog {
  readonly logger: Logger;
  /** Opens the file again after it was moved away. */
  reopen(): void;
  flush(): void;
}

/** Opens the log. Throws when `file_path` can't be opened for appending. */
export function openLog(settings: LoggingSettings): ServerLog {
  const destination = pino.destination({
    dest: settings.filePath ?? 2,
    append: true,
    mkdir: false,
    sync: true,
  });
  const level = settings.level === "off" ? "silent" : settings.level;
  return {
    logger: pino({ level, base: null }, destination),
    reopen: () => {
      if (settings.filePath !== undefined) destination.reopen();
    },
    flush: () => destination.flushSync(),
  };
}
