// What is asked of a probe and what it answers: the part of probe.ts that the compiler knows.

export interface ProbeRequest {
  /** The whole head as a client sends it, without its last empty line. */
  readonly head: string;
  /** The address of the connection's other end. */
  readonly peer: string;
}

/** A question that is asked before the handler sees a request, and its answer. */
export interface ProbeCheck {
  readonly name: "header size" | "client" | "method" | "body size" | "file";
  /** 0 lets the request pass, else the status that refuses it. */
  readonly status: number;
}

export interface ProbeResult {
  /** The status the server answers by itself; 0: the request goes to its route's handler. */
  readonly status: number;
  readonly headBytes: number;
  /** Host and path in normal form, "" when the head cannot be read. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly contentLength: number;
  /** The body comes in chunks, and nobody knows yet how large it is. */
  readonly chunked: boolean;
  /** The client that rules are asked about, as unsigned words of 32 bits: one, or four. */
  readonly client: readonly number[];
  /** The key path of the route; undefined when there is none, or none was looked for. */
  readonly route: string | undefined;
  /** The key of the target of the route, once its checks have passed; the route's if it has one. */
  readonly target: string | undefined;
  readonly method: string;
  /** Names as they were sent, and values without the blanks around them. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Those that were asked, the last of them perhaps refusing. */
  readonly checks: readonly ProbeCheck[];
  /** The bytes that go to each server of the route's group, in declared order. */
  readonly upstreamHeads: readonly string[];
}

/** One compiled configuration, ready to be asked. */
export interface RequestProbe {
  run(request: ProbeRequest): ProbeResult;
}
