// From the workers' rings to the log: reads their records in regular intervals, or at once when a
// ring is filling, and prints them. While the log's destination does not keep up nothing is read,
// so that the rings fill and count what they drop; the sum of that is a record of its own.

import type { Logger } from "pino";
import {
  KIND_NOTICE,
  KIND_REQUEST,
  KIND_WARNING,
  RECORD_KIND,
  SENTENCE_BYTES,
  SENTENCE_TEXT,
} from "../data/log-record.ts";
import { LogRingReader, logRingMemory } from "../data/log-ring.ts";
import type { LogWriter } from "./log-writer.ts";
import type { RequestLines } from "./request-line.ts";

const PINO_WARN = 40;
/** Requests are handed on in pieces of at most this many characters, or one record. */
const PIECE_LENGTH = 16384;

interface Channel {
  readonly memory: SharedArrayBuffer;
  readonly reader: LogRingReader;
  readonly text: Buffer;
  /** How requests of the worker's program are printed. */
  lines: RequestLines;
}

export class LogChannels {
  private readonly writer: LogWriter;
  private readonly logger: Logger;
  private readonly recordsMax: number;
  private readonly pieceLength: number;
  /** By worker. A ring stays when its worker dies: what it has written is still to be read. */
  private readonly channels = new Map<number, Channel>();
  /** Rings whose worker is gone and whose place is taken. */
  private leftovers: Channel[] = [];
  /** What was dropped by the workers of rings that are gone. */
  private droppedBefore = 0;
  private readonly timer: NodeJS.Timeout;
  private reported = 0;

  constructor(writer: LogWriter, logger: Logger, recordsMax: number, intervalMs: number) {
    this.writer = writer;
    this.logger = logger;
    this.recordsMax = recordsMax;
    this.pieceLength = Math.min(PIECE_LENGTH, writer.chunkBytesMax);
    this.timer = setInterval(() => this.flush(), intervalMs);
    this.timer.unref();
  }

  /** The memory of a worker's ring, whose requests `lines` will print. */
  memoryFor(owner: number, lines: RequestLines): SharedArrayBuffer {
    const known = this.channels.get(owner);
    if (known !== undefined) {
      this.drain();
      if (known.lines === lines || known.reader.peek() < 0) {
        known.lines = lines;
        return known.memory;
      }
      this.leftovers.push(known); // still to be printed in the terms of the program that wrote them
      if (this.leftovers.length > this.channels.size) this.giveUp(this.leftovers.shift()!);
    }
    const memory = logRingMemory(this.recordsMax);
    const reader = new LogRingReader(memory);
    this.channels.set(owner, { memory, reader, text: Buffer.from(memory), lines });
    return memory;
  }

  /** Records that were dropped, of all times: by workers and by the main thread itself. */
  get dropped(): number {
    let sum = this.writer.dropped + this.droppedBefore;
    for (const { reader } of [...this.leftovers, ...this.channels.values()]) sum += reader.dropped;
    return sum;
  }

  /** Reads what there is, says what was dropped, and writes. */
  flush(): void {
    this.drain();
    this.reportDrops();
    this.writer.flush();
  }

  /** Reads as much as the destination has room for, and has it written. */
  drain(): void {
    for (const channel of this.leftovers) this.drainOne(channel);
    this.leftovers = this.leftovers.filter(({ reader }) => {
      if (reader.peek() >= 0) return true;
      this.droppedBefore += reader.dropped;
      return false;
    });
    for (const channel of this.channels.values()) this.drainOne(channel);
    this.writer.flush();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Counts what is left in a ring as dropped: while the log stands still, reloads may go on. */
  private giveUp({ reader }: Channel): void {
    for (; reader.peek() >= 0; reader.next()) this.droppedBefore++;
    this.droppedBefore += reader.dropped;
  }

  private drainOne({ reader, text, lines }: Channel): void {
    const { words, doubles } = reader;
    const memory = { words, doubles, text };
    let piece = "";
    const addPiece = (): void => {
      if (piece !== "") this.writer.add(piece);
      piece = "";
    };
    while (this.writer.hasRoom) {
      const at = reader.peek();
      if (at < 0) break;
      const kind = words[at + RECORD_KIND];
      if (kind === KIND_REQUEST) {
        const line = lines.print(memory, at);
        if (piece.length + line.length > this.pieceLength) addPiece();
        piece += line;
      } else {
        addPiece(); // the order stays
        if (kind === KIND_WARNING) this.logger.warn(sentenceOf(words, text, at));
        else if (kind === KIND_NOTICE) this.logger.info(sentenceOf(words, text, at));
      }
      reader.next();
    }
    addPiece();
  }

  /** A record without regard to the level: who reads the log has to know that it has gaps. */
  private reportDrops(): void {
    const { dropped } = this;
    if (dropped === this.reported || !this.writer.hasRoom) return;
    const record = {
      level: PINO_WARN,
      time: Date.now(),
      dropped: dropped - this.reported,
      dropped_total: dropped,
      msg: "log records were dropped: the log's destination, or its writer, did not keep up",
    };
    this.reported = dropped;
    this.writer.add(`${JSON.stringify(record)}\n`);
  }
}

function sentenceOf(words: Int32Array, text: Buffer, at: number): string {
  const start = (at + SENTENCE_TEXT) * Int32Array.BYTES_PER_ELEMENT;
  return text.toString("utf8", start, start + words[at + SENTENCE_BYTES]!);
}
