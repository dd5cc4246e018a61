// What is asked of a probe and what it answers: the part of probe.ts that the compiler knows.

export interface ProbeRequest {
  /** The whole head as a client sends it, without its last empty line. */
  readonly head: string;
  /** The address of the connection's other end. */
  readonly peer: string;
}

/** A question that is asked before the handler sees a request, and its answer. */
export interface ProbeCheck {
  readonly name: "header size" | "client" | "method" | "file" | "body size" | "forwards";
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
  /** Header lines of the server's own answer, but for Date and Connection; empty: it has none. */
  readonly answer: readonly string[];
  /** The bytes that go to each server of the route's group, in declared order. */
  readonly upstreamHeads: readonly string[];
}

/** A request that has come to a file route. */
export interface FileQuestion {
  /** The route's own path, and what it answers folders with. */
  readonly root: string;
  readonly mode: "sendfile" | "memory";
  readonly index: string;
  /** The route's prefix, and the path of the request behind it, both in normal form. */
  readonly prefix: string;
  readonly rest: string;
}

/** What a file route answers on this machine. */
export interface FileAnswer {
  /** Undefined: nothing, because the server does not start. */
  readonly status: 200 | 403 | 404 | undefined;
  /** The file, or what there is none of. */
  readonly path: string;
  /** Goes on from the path as a sentence would. */
  readonly reason: string;
  /** Content-Type of a file that is served. */
  readonly type?: string;
}

export type FileProbe = (question: FileQuestion) => FileAnswer;

/** One compiled configuration, ready to be asked. */
export interface RequestProbe {
  run(request: ProbeRequest): ProbeResult;
}
