// The server's log: pino on the main thread for what it says itself, the workers' rings beside it,
// one writer behind both.

import pino, { type Logger } from "pino";
import type { LoggingSettings } from "../data/api.ts";
import { LogChannels } from "./log-channel.ts";
import { LogWriter } from "./log-writer.ts";

export interface ServerLog {
  readonly logger: Logger;
  readonly channels: LogChannels;
  /** Opens the file again after it was moved away. */
  reopen(): void;
  /** Gives the file to the user that the process is about to become. */
  give(uid: number, gid: number): void;
  /** The process is now who it stays. */
  settle(): void;
  /** Writes everything that the destination takes in `limitMs` or a little more. */
  finish(limitMs: number): Promise<void>;
}

/** The level as pino calls it. */
export function pinoLevel({ level }: LoggingSettings): string {
  return level === "off" ? "silent" : level;
}

/**
 * Opens the log; `forAnother`: as root, before becoming another user. Throws when `file_path` can't
 * be opened for appending.
 */
export function openLog(settings: LoggingSettings, forAnother: boolean): ServerLog {
  const writer = new LogWriter({
    filePath: settings.filePath,
    fileBytesMax: settings.maxLogSize,
    forAnother,
    onRoom: () => channels.drain(),
    onTrouble: (text) => logger.error(text),
  });
  const logger = pino({ level: pinoLevel(settings), base: null }, writer);
  const { channelSize, flushIntervalMs } = settings;
  const channels = new LogChannels(writer, logger, channelSize, flushIntervalMs);
  return {
    logger,
    channels,
    reopen: () => writer.reopen(),
    give: (uid, gid) => writer.give(uid, gid),
    settle: () => writer.settle(),
    async finish(limitMs) {
      channels.stop();
      channels.flush();
      if (!(await writer.flushed(limitMs))) return;
      channels.flush(); // what was dropped in the meantime
      await writer.flushed(limitMs);
    },
  };
}
