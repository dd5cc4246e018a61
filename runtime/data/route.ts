// A route as the data path sees it: one shape for both kinds, texts as bytes, times in
// milliseconds.

import type { ClientAddress, RouteLimits, RouteSettings } from "./api.ts";
import type { ByteMap } from "./byte-map.ts";
import { ascii } from "./bytes.ts";
import type { ConditionRequest } from "./conditions.ts";
import type { FileEntry } from "./file-entry.ts";
import { hashText } from "./hash.ts";
import { MethodRule } from "./method.ts";
import type { UpstreamGroup } from "./upstream-server.ts";

/** What a file answers when its route does not say. */
const FILE_METHODS = ["GET", "HEAD"];

export class Route {
  readonly key: string;
  /** Its place in the program, by which records name it. */
  readonly place: number;
  readonly isProxy: boolean;
  readonly prefixBytes: number;
  readonly limits: RouteLimits;
  readonly headerTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** What the route is called in the table of rate limits. */
  readonly keyHash: number;
  /** Requests a minute; 0 is no limit. */
  readonly rateLimit: number;
  /** A check or a condition of this route looks at the client's address. */
  readonly needsClient: boolean;
  readonly allowsClient: ((client: ClientAddress) => boolean) | null;
  readonly methods: MethodRule;
  /** The `Allow` of a 405: of the methods that pass, those that the target answers. */
  readonly allow: Uint8Array;
  /** Null: there is no other target than this one. */
  readonly choose: ((request: ConditionRequest, client: ClientAddress) => number) | null;

  // Proxy routes.
  readonly group: UpstreamGroup | null;
  readonly basePath: Uint8Array;
  readonly preserveHost: boolean;

  // File routes. `rootFd` is the directory, or that of the one file; set by `openRoots` at start.
  readonly index: Uint8Array;
  /** The path of a route to a single file; made absolute at start. */
  filePath: Uint8Array;
  rootFd = -1;
  isDirectory = false;
  /** Memory mode: path below the root → index of the file. */
  memory: ByteMap | null = null;
  /** The one file in memory of a route to a single file. */
  memoryFile: FileEntry | null = null;

  constructor(settings: RouteSettings, groups: readonly UpstreamGroup[], place = 0) {
    const { limits } = settings;
    this.place = place;
    this.key = settings.key;
    this.isProxy = settings.kind === "proxy";
    this.prefixBytes = settings.prefix.length;
    this.limits = limits;
    this.headerTimeoutMs = limits.clientHeaderTimeoutSecs * 1000;
    this.bodyTimeoutMs = limits.clientBodyTimeoutSecs * 1000;
    this.connectTimeoutMs = limits.backendConnectTimeoutSecs * 1000;
    this.idleTimeoutMs = limits.idleConnectionTimeoutSecs * 1000;
    this.allowsClient = settings.allowsClient ?? null;
    this.keyHash = hashText(settings.key);
    this.rateLimit = limits.rateLimitRequestsPerMin;
    this.needsClient =
      this.allowsClient !== null || this.rateLimit > 0 || settings.choosesByClient === true;
    this.methods = new MethodRule(settings.allowedMethods);
    this.choose = settings.choose ?? null;
    this.group = settings.kind === "proxy" ? groups[settings.upstream]! : null;
    this.basePath = ascii((settings.kind === "proxy" && settings.basePath) || "");
    this.preserveHost = settings.kind === "proxy" && settings.preserveHost === true;
    this.index = new TextEncoder().encode(settings.kind === "file" ? settings.index : "");
    this.filePath = new TextEncoder().encode(settings.kind === "file" ? settings.path : "");
    const answered = settings.kind === "file" ? FILE_METHODS : (settings.allowedMethods ?? []);
    const allowed = settings.allowedMethods ?? answered;
    this.allow = ascii(allowed.filter((method) => answered.includes(method)).join(", "));
  }
}
