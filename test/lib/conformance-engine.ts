// What a conformance case asks of the thing that runs it, and what it gets back. The cases know
// nothing else, so that a real server and a simulated one can both run them.

/** One piece of a client's part: sent, then `messages` answers in all are waited for. */
export interface ClientStep {
  /** Sent one after the other, with a pause between them. */
  readonly pieces: readonly Uint8Array[];
  /** Whether the client ends its side (FIN) after the pieces. */
  readonly end: boolean;
  /** Which of the messages awaited so far answer HEAD; one entry a message, interim ones too. */
  readonly messages: readonly MessageKind[];
}

/** How the length of an answer is found. */
export interface MessageKind {
  readonly toHead: boolean;
}

/** What the scripted upstream does with one request. */
export interface UpstreamAnswer {
  /** Sent as soon as the request's head is there. */
  readonly interim: readonly Uint8Array[];
  readonly pieces: readonly Uint8Array[];
  /** When: after the whole request, or as soon as its head is there. */
  readonly after: "request" | "head";
  /** What becomes of the connection behind the answer. */
  readonly afterwards: "stay" | "close" | "reset";
}

export interface Script {
  readonly steps: readonly ClientStep[];
  /** For the requests of this run in their order. */
  readonly answers: readonly UpstreamAnswer[];
  /** What requests beyond `answers` get. */
  readonly otherAnswer: UpstreamAnswer;
  /** Whether the server is expected to end the connection behind the last message. */
  readonly closes: boolean;
}

export interface Observation {
  /** All bytes the client received. */
  readonly client: Uint8Array;
  /** How the connection was when the run ended. */
  readonly ending: "open" | "end" | "reset";
  /**
   * The requests the upstream received as a whole, as latin1, with the run's addresses replaced by
   * `{client}` and `{upstream}`. Of a request answered early, the head alone.
   */
  readonly requests: readonly string[];
}

export interface ConformanceEngine {
  run(script: Script): Promise<Observation>;
  /** Ends the engine. Throws when something arrived at the upstream that belongs to no request. */
  stop(): Promise<void>;
}
