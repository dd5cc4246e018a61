// One TCP connection between the server under test and an actor. Bytes take their time, in order in
// each direction; the server can send only as much as the actor has left room for. The rules of
// FIN and RST are Linux's:
//
//   - closing with bytes unread, or bytes arriving at a closed end, is a reset;
//   - what was received before a reset can still be read, what is on its way may be lost.

import type { Random } from "../lib/random.ts";
import { chance } from "./faults.ts";
import type { Schedule } from "./schedule.ts";

/** The other end of a connection. Called when something has arrived; it reads as it likes. */
export interface Actor {
  /** Bytes or a FIN have arrived. */
  onReadable(wire: Wire): void;
  onReset(wire: Wire): void;
}

const NOBODY: Actor = { onReadable() {}, onReset() {} };

export class Wire {
  /** The peer's address as text. */
  readonly address: string;
  actor: Actor = NOBODY;
  /** The server's end has something new to look at. */
  onServerChange: () => void = () => {};
  private readonly schedule: Schedule;
  private readonly random: Random;
  private readonly latency: number;
  /** Bytes that may be on their way to the actor or wait there. */
  private readonly window: number;

  // Towards the server.
  private readonly inbound: Uint8Array[] = [];
  private inboundStart = 0;
  inboundBytes = 0;
  /** The actor's FIN has arrived. */
  inboundEnded = false;
  /** A reset has arrived, and nobody has been told yet. */
  resetPending = false;
  /** A reset has arrived or was sent: nothing moves any more. */
  broken = false;
  private lastInbound = 0;
  /** Bytes on their way to the server. */
  private travelling = 0;

  // Towards the actor.
  private readonly outbound: Uint8Array[] = [];
  private outboundStart = 0;
  /** What the actor has not read. */
  outboundBytes = 0;
  /** So much must be free again once nothing was: Linux waits for a third of the buffer. */
  roomMin = 1;
  private full = false;
  private outboundFin = false;
  /** The server's FIN has been sent. */
  finSent = false;
  private serverClosed = false;
  private lastOutbound = 0;

  // The actor's end.
  private actorEnded = false;
  private actorGone = false;

  constructor(
    schedule: Schedule,
    random: Random,
    latency: number,
    window: number,
    address: string,
  ) {
    this.schedule = schedule;
    this.random = random;
    this.latency = latency;
    this.window = window;
    this.address = address;
  }

  // ── The server's end ──────────────────────────────────────────────────────────────────────────

  get room(): number {
    const free = Math.max(0, this.window - this.outboundBytes);
    this.full = free < (this.full ? this.roomMin : 1);
    return this.full ? 0 : free;
  }

  /** Whether all that the actor has sent is with the server. */
  get hasArrived(): boolean {
    return this.travelling === 0;
  }

  /** Whether a receive brings something: bytes, an end or an error. */
  get hasInbound(): boolean {
    return this.inboundBytes > 0 || this.inboundEnded || this.broken;
  }

  /** Copies at most `count` of the bytes that have arrived to `to`, and returns their number. */
  receive(bytes: Uint8Array, to: number, count: number): number {
    let left = Math.min(count, this.inboundBytes);
    const total = left;
    let at = to;
    while (left > 0) {
      const first = this.inbound[0]!;
      const take = Math.min(left, first.length - this.inboundStart);
      bytes.set(first.subarray(this.inboundStart, this.inboundStart + take), at);
      at += take;
      left -= take;
      this.inboundStart += take;
      if (this.inboundStart === first.length) {
        this.inbound.shift();
        this.inboundStart = 0;
      }
    }
    this.inboundBytes -= total;
    return total;
  }

  /** Sends `bytes`, which nobody changes any more; there is room for them. */
  transmit(bytes: Uint8Array): void {
    this.outboundBytes += bytes.length;
    this.towardsActor(() => {
      this.outbound.push(bytes);
      this.actor.onReadable(this);
    });
  }

  sendFin(): void {
    if (this.finSent || this.broken) return;
    this.finSent = true;
    this.towardsActor(() => {
      this.outboundFin = true;
      this.actor.onReadable(this);
    });
  }

  /** The server's descriptor is gone. */
  closeServer(): void {
    this.serverClosed = true;
    if (this.broken) return;
    if (this.inboundBytes > 0) this.resetActor();
    else this.sendFin();
  }

  private towardsActor(run: () => void): void {
    const time = Math.max(this.lastOutbound, this.schedule.now + this.delay());
    this.lastOutbound = time;
    this.schedule.at(time, () => {
      if (!this.actorGone) run();
    });
  }

  /** A reset on its way to the actor; it may overtake bytes, which are then lost. */
  private resetActor(): void {
    if (this.broken) return;
    this.broken = true;
    const arrive = (): void => {
      if (this.actorGone) return;
      this.actorGone = true;
      this.actor.onReset(this);
    };
    if (chance(this.random, 0.5)) this.schedule.after(this.delay(), arrive);
    else this.towardsActor(arrive);
  }

  // ── The actor's end ───────────────────────────────────────────────────────────────────────────

  /** Bytes that wait to be read. */
  get readable(): boolean {
    return this.outbound.length > 0;
  }

  /** The server's FIN has arrived and all before it has been read. */
  get atEnd(): boolean {
    return this.outboundFin && this.outbound.length === 0;
  }

  /** The server has ended its side, whether or not all before has been read. */
  get serverEnded(): boolean {
    return this.outboundFin;
  }

  read(count: number): Uint8Array {
    const first = this.outbound[0]!;
    const bytes = first.subarray(this.outboundStart, this.outboundStart + count);
    this.outboundStart += bytes.length;
    if (this.outboundStart === first.length) {
      this.outbound.shift();
      this.outboundStart = 0;
    }
    this.outboundBytes -= bytes.length;
    this.onServerChange();
    return bytes;
  }

  send(bytes: Uint8Array): void {
    if (this.actorGone || this.actorEnded || bytes.length === 0) return;
    this.travelling += bytes.length;
    this.towardsServer(() => {
      this.travelling -= bytes.length;
      if (this.serverClosed) {
        this.resetActor();
        return;
      }
      this.inbound.push(bytes);
      this.inboundBytes += bytes.length;
    });
  }

  end(): void {
    if (this.actorGone || this.actorEnded) return;
    this.actorEnded = true;
    this.towardsServer(() => {
      this.inboundEnded = true;
    });
  }

  /** Closes the actor's end for good: a FIN, or a reset when something is unread. */
  close(): void {
    if (this.actorGone) return;
    if (this.readable) {
      this.reset();
      return;
    }
    this.end();
    this.actor = {
      onReadable: () => this.reset(),
      onReset() {},
    };
  }

  /** Breaks the connection off. */
  reset(): void {
    if (this.actorGone) return;
    this.actorGone = true;
    const arrive = (): void => {
      if (this.broken) return;
      this.broken = true;
      this.resetPending = true;
    };
    if (chance(this.random, 0.5)) {
      this.lastInbound = Number.POSITIVE_INFINITY; // overtakes: nothing else arrives
      this.schedule.after(this.delay(), () => {
        arrive();
        this.onServerChange();
      });
    } else {
      this.towardsServer(arrive);
    }
  }

  private towardsServer(run: () => void): void {
    const time = Math.max(this.lastInbound, this.schedule.now + this.delay());
    this.lastInbound = time;
    if (time === Number.POSITIVE_INFINITY) return;
    this.schedule.at(time, () => {
      if (this.broken) return;
      run();
      this.onServerChange();
    });
  }

  /** From half to one and a half times the latency. */
  private delay(): number {
    return (this.latency >> 1) + this.random.below(this.latency + 1);
  }
}
