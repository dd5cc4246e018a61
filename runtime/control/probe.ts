// What the data path does with one request, without a socket: the real scanner, the generated
// matcher and rules, and the head that would go on. `zproxy explain`, `test` and `diff` ask it,
// so that what they say is what the server does.

import { type Program, ROUTE_NONE } from "../data/api.ts";
import { ascii } from "../data/bytes.ts";
import { followForwardedFor } from "../data/forwarded-for.ts";
import { SCAN_BAD_VERSION, SCAN_TOO_MANY_FIELDS } from "../data/http1-fields.ts";
import { BODY_CHUNKED, RequestHead } from "../data/http1-request.ts";
import { IpAddress } from "../data/ip-address.ts";
import { countForward } from "../data/max-forwards.ts";
import { METHODS_READING } from "../data/method.ts";
import { writeRequestHead } from "../data/proxy-head.ts";
import { ReplyWriter } from "../data/reply.ts";
import { Route } from "../data/route.ts";
import { serverStateBytes } from "../data/server-state.ts";
import { Server, UpstreamGroup } from "../data/upstream-server.ts";
import type { ProbeCheck, ProbeRequest, ProbeResult, RequestProbe } from "./probe-types.ts";

const HEAD_BYTES_MAX = 1 << 17;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Of a request of which nothing is known. */
const UNREAD: Omit<ProbeResult, "status" | "headBytes" | "answer"> = {
  host: "",
  path: "",
  query: "",
  method: "",
  fields: [],
  client: [],
  contentLength: 0,
  chunked: false,
  route: undefined,
  target: undefined,
  checks: [],
  upstreamHeads: [],
};

export class Probe implements RequestProbe {
  private readonly program: Program;
  private readonly bytes = new Uint8Array(HEAD_BYTES_MAX * 8);
  private readonly head = new RequestHead(this.bytes);
  private readonly routes: readonly Route[];
  private readonly client = new IpAddress();
  private readonly headBytesMax: number;
  private readonly replies = new ReplyWriter(this.bytes, "");
  /** Goes with a 405. */
  private allow = NO_BYTES;

  constructor(program: Program) {
    this.program = program;
    const groups = program.upstreams.map((group) => {
      const words = () => new Int32Array(new SharedArrayBuffer(serverStateBytes(1)));
      const servers = group.servers.map((server) => new Server(server, words()));
      return new UpstreamGroup(group, servers, new Int32Array(1));
    });
    this.routes = program.routes.map((settings) => new Route(settings, groups));
    const sizes = program.routes.map(({ limits }) => limits.maxRequestHeaderSize);
    this.headBytesMax = sizes.length === 0 ? 8192 : Math.max(...sizes);
  }

  run(request: ProbeRequest): ProbeResult {
    this.allow = NO_BYTES;
    const result = this.ask(request);
    return { ...result, answer: result.status === 0 ? [] : this.answerFor(result.status) };
  }

  /** The header lines of a reply of our own, without those that differ from one to the next. */
  private answerFor(status: number): string[] {
    const at = HEAD_BYTES_MAX * 4;
    const end = this.replies.write(at, status, false, NO_BYTES, this.allow);
    const lines = this.text(at, end).split("\r\n").slice(1, -2);
    return lines.filter((line) => !line.startsWith("Date:"));
  }

  private ask({ head: text, peer }: ProbeRequest): Omit<ProbeResult, "answer"> {
    const { bytes, head } = this;
    const sent = new TextEncoder().encode(`${text}\r\n\r\n`);
    const none = { ...UNREAD, headBytes: sent.length };
    if (sent.length > HEAD_BYTES_MAX) return { ...none, status: 431 };
    bytes.set(sent, 0);
    bytes[sent.length] = 0;
    const end = head.scan(0, sent.length, HEAD_BYTES_MAX * 2);
    if (end < 0) return { ...none, status: statusOf(end) };
    const seen = {
      ...none,
      host: this.text(head.host.start, head.host.end),
      path: this.text(head.path.start, head.path.end),
      query: this.text(head.queryStart, head.queryEnd),
      method: this.text(head.methodStart, head.methodEnd),
      fields: this.readFields(),
      client: this.readClient(peer),
      contentLength: head.contentLength,
      chunked: head.bodyMode === BODY_CHUNKED,
    };
    if (sent.length > this.headBytesMax) return { ...seen, status: 431 };
    const refusal = head.refusal(true);
    if (refusal !== 0) return { ...seen, status: refusal };
    if (head.isAsterisk) return { ...seen, status: 200 };
    const { host, path } = head;
    const { matchRoute } = this.program;
    const index = matchRoute(bytes, host.start, host.end, path.start, path.end);
    if (index === ROUTE_NONE) return { ...seen, status: 404 };
    const route = this.routes[index]!;
    const target = route.choose ? this.routes[route.choose(head, this.client)]! : route;
    const checks = this.check(route, target, sent.length);
    const { name, status } = checks.at(-1)!;
    this.allow = (name === "file" ? target : route).allow;
    const asked = { ...seen, route: route.key, checks, status };
    // Of the checks it is only that of files which the target has a part in.
    if (status !== 0 && name !== "file") return asked;
    if (status !== 0 || !target.isProxy) return { ...asked, target: target.key };
    const ownStatus = countForward(head);
    if (ownStatus !== 0) checks.push({ name: "forwards", status: ownStatus });
    const upstreamHeads = ownStatus === 0 ? this.headsFor(target, peer) : [];
    return { ...asked, status: ownStatus, target: target.key, upstreamHeads };
  }

  /** In the order of route-checks.ts, up to the first that refuses. */
  private check(route: Route, target: Route, headBytes: number): ProbeCheck[] {
    const { head, client } = this;
    const { maxRequestHeaderSize, maxRequestBodySize } = route.limits;
    const lineBytes = head.targetEnd - head.methodStart;
    const tooLong = lineBytes > maxRequestHeaderSize ? 414 : 431;
    const unreadable = (head.method & METHODS_READING) !== 0 ? 0 : 405;
    const checks: ProbeCheck[] = [
      { name: "header size", status: headBytes > maxRequestHeaderSize ? tooLong : 0 },
      { name: "client", status: route.allowsClient?.(client) === false ? 403 : 0 },
      { name: "method", status: this.allowsMethod(route) ? 0 : 405 },
      ...(target.isProxy ? [] : [{ name: "file", status: unreadable } as const]),
      { name: "body size", status: head.contentLength > maxRequestBodySize ? 413 : 0 },
    ];
    const refused = checks.findIndex(({ status }) => status !== 0);
    return refused < 0 ? checks : checks.slice(0, refused + 1);
  }

  private allowsMethod({ methods }: Route): boolean {
    const { bytes, method, methodStart, methodEnd } = this.head;
    return methods.allows(method, bytes, methodStart, methodEnd);
  }

  private headsFor(route: Route, peer: string): string[] {
    const { head } = this;
    const address = ascii(peer);
    const to = HEAD_BYTES_MAX * 4;
    return route.group!.servers.map((server) => {
      const end = writeRequestHead(head, route, server, address, 0, address.length, to);
      return this.text(to, end);
    });
  }

  private readFields(): [name: string, value: string][] {
    const { fields } = this.head;
    return Array.from({ length: fields.count }, (_, at) => [
      this.text(fields.lineStart[at]!, fields.nameEnd[at]!),
      this.text(fields.valueStart[at]!, fields.valueEnd[at]!),
    ]);
  }

  private readClient(peer: string): number[] {
    const { client, head, program } = this;
    const { isTrustedProxy } = program.server;
    const text = ascii(peer);
    if (!client.parse(text, 0, text.length)) throw new Error(`not an address: ${peer}`);
    if (isTrustedProxy?.(client) === true) {
      head.isForwarded = true;
      followForwardedFor(head.bytes, head.fields, isTrustedProxy, client);
    }
    const { isIpv4, word0, word1, word2, word3 } = client;
    return isIpv4 ? [word3 >>> 0] : [word0, word1, word2, word3].map((word) => word >>> 0);
  }

  private text(start: number, end: number): string {
    return String.fromCharCode(...this.bytes.subarray(start, end));
  }
}

function statusOf(reason: number): number {
  if (reason === SCAN_BAD_VERSION) return 505;
  return reason === SCAN_TOO_MANY_FIELDS ? 431 : 400;
}
