// Generated from schema/config.schema.json. Run "npm run generate"; do not edit.

/** A zproxy configuration file. */
export interface Config {
  readonly server: Server;
  readonly logging?: Logging;
  readonly security?: Security;
  readonly performance?: Performance;
  readonly admin?: Admin;
  readonly tls?: Tls;
  /** Groups of servers by name. A Proxy route refers to one with `upstream`. Absent: there are none. */
  readonly upstreams?: Readonly<Record<string, Upstream>>;
  /** Routes by host name alone: one route takes every path of its host. The key is a host name, `*.example.com` (any depth), or `*`. The most specific host that takes a request is the only one asked; where it is in `path_routes` as well, those are not. Absent: there are none. */
  readonly host_routes?: Readonly<Record<string, Route>>;
  /** Routes by host name, then by path prefix, which takes itself and everything below it. The longest prefix wins; what none takes is answered 404, and no other host is asked. Absent: there are none. */
  readonly path_routes?: Readonly<Record<string, Readonly<Record<string, Route>>>>;
  /** Expectations about this configuration, checked by `zproxy test`, together with those in `config.test.toml` beside it. Absent: there are none. */
  readonly tests?: readonly RouteTest[];
}

/** Where the proxy listens, and how its workers start and stop. */
export interface Server {
  /** The address to listen on, or an array of them: `"ip:port"` or `"[ipv6]:port"`. Port 0 is a free port that the kernel chooses. Required. */
  readonly listen: string | readonly string[];
  /** Worker threads. 0 is one for each CPU this process may use; more threads than CPUs wrap round. A change takes a restart. Default 0. */
  readonly threads?: number;
  /** Addresses or CIDR blocks of proxies in front of this one, whose `X-Forwarded-For` is believed: the right-most address that is not trusted is the client. Default none. */
  readonly trusted_proxies?: readonly string[];
  /** Seconds to wait for requests in flight at shutdown, and for requests and tunnels of old workers after a reload. 0 is no limit: they stay until they end, or until a fourth reload needs their place. Default 30 seconds. */
  readonly shutdown_timeout_secs?: number;
}

export const serverDefaults = {
  threads: 0,
  trusted_proxies: [],
  shutdown_timeout_secs: 30,
} as const;

/** What is logged and where it goes. Absent: the defaults of its keys. */
export interface Logging {
  /** The least severe level that is logged. `access_log` does not depend on it. Default `"info"`. */
  readonly level?: "trace" | "debug" | "info" | "warn" | "error" | "off";
  /** Records held between each worker and the log writer, in at most 256 MiB of memory that is used only as far as it fills. When it is full, a record is dropped and counted; a worker never waits. How many were dropped is a record of its own. Default 100000 records. */
  readonly channel_size?: number;
  /** Milliseconds between writes of buffered records; a filling buffer is written earlier. Default 1000 milliseconds. */
  readonly flush_interval_ms?: number;
  /** Bytes at which the log file is rotated: it becomes `file_path` with `.1` behind it, and the last 5 are kept. 0 is never. Default 104857600 bytes (100 MiB). */
  readonly max_log_size?: number;
  /** The log file, reopened on SIGUSR1. Where root opens it for drop_privileges_user, it may not be a link. Absent: standard error. Records are JSON, one a line; on a terminal they are lines for people. */
  readonly file_path?: string;
  /** Write one JSON record for each request: `time`, `client`, `method`, `host`, `path` with its query as it was sent, `status`, `bytes` sent to the client with heads, `duration_ms` from the head's first byte until the answer is handed to the kernel, `upstream`, `upstream_ms` until the upstream's answer began, `route`, `id` as in error pages. Status 499: the client went before it was answered. `broken`: the connection ended inside the answer. Default false. */
  readonly access_log?: boolean;
}

export const loggingDefaults = {
  level: "info",
  channel_size: 100000,
  flush_interval_ms: 1000,
  max_log_size: 104857600,
  access_log: false,
} as const;

/** Limits and privileges of the whole process. Limits of one route are in its own `security` table. Absent: the defaults of its keys. */
export interface Security {
  /** User to become when started as root, after ports, keys and logs are open and before the first connection: a name or a number. It must be able to read what is served, and `dist/` itself, which a reload reads again, certificates and keys with it: those that it may not read stay as they are. A change takes a restart. Absent: stay. */
  readonly drop_privileges_user?: string;
  /** Group to become when started as root; supplementary groups are cleared. Absent: the user's own group. */
  readonly drop_privileges_group?: string;
  /** Open client connections over all workers. One more is answered 503 and closed. 0 is no limit. Default 0. */
  readonly max_concurrent_connections?: number;
}

export const securityDefaults = {
  max_concurrent_connections: 0,
} as const;

/** A second, plain HTTP server for the operator: `/metrics` in Prometheus' text format, `/healthz` (200 while the process lives), `/readyz` (200 while requests should come here), `/config` (the manifest of what is served), `/upstreams` (servers and their health). Absent: there is none. */
export interface Admin {
  /** Its address, `"ip:port"` or `"[ipv6]:port"`. It asks nobody who they are, so outside the loopback interface the network has to. Required. */
  readonly listen: string;
}

/** How connections are spread over workers and how the kernel is used. Absent: the defaults of its keys. */
export interface Performance {
  /** How the kernel chooses the worker of a new connection: its own hash of addresses and ports, or a program that keeps a client address on one worker. Default `"kernel"`. */
  readonly reuseport_balancing?: "kernel" | "cbpf";
  /** Put buffers on huge pages of 2 MiB: reserved ones (`vm.nr_hugepages`; a worker takes about 170), else transparent ones, else ordinary pages. The log says which it became. Default false. */
  readonly huge_pages_enabled?: boolean;
  /** The I/O engine. `"auto"` takes io_uring where the kernel allows it, else epoll. Default `"auto"`. */
  readonly io?: "auto" | "io_uring" | "epoll";
}

export const performanceDefaults = {
  reuseport_balancing: "kernel",
  huge_pages_enabled: false,
  io: "auto",
} as const;

/** TLS towards clients. Absent: plain HTTP. */
export interface Tls {
  /** PEM file with the certificate and its chain, for clients that ask for no name of `certificates`. Required. */
  readonly cert_path?: string;
  /** PEM file with the private key of `cert_path`. Required. */
  readonly key_path?: string;
  /** Let the kernel encrypt and decrypt once the handshake is done, towards clients and https servers. Default false. */
  readonly ktls_enabled?: boolean;
  /** What to do with a connection the kernel cannot take over: true goes on in user space, false closes it. Default true. */
  readonly ktls_fallback_enabled?: boolean;
  /** The oldest TLS version that is accepted. Default `"1.2"`. */
  readonly min_version?: "1.2" | "1.3";
  /** Further pairs of certificate and key, chosen by the name the client asks for. */
  readonly certificates?: readonly Certificate[];
}

export const tlsDefaults = {
  ktls_enabled: false,
  ktls_fallback_enabled: true,
  min_version: "1.2",
  certificates: [],
} as const;

/** A further certificate with its key. The names in the certificate decide when it is used; of several that have a name, the first is. Two with the same names and keys of two kinds, such as RSA and EC, are both used, each for the clients that can. */
export interface Certificate {
  /** PEM file with the certificate and its chain. Required. */
  readonly cert_path?: string;
  /** PEM file with the private key. Required. */
  readonly key_path?: string;
}

/** A group of servers that share the requests of the routes referring to it. */
export interface Upstream {
  /** How a server is chosen: in turn, the one with the fewest requests in flight, or by client address. Default `"round_robin"`. */
  readonly algorithm?: "round_robin" | "least_conn" | "ip_hash";
  /** The servers, at least one: URLs, or tables with `url` and `weight`. Required. */
  readonly servers: readonly UpstreamServer[];
  readonly health_check?: HealthCheck;
}

export const upstreamDefaults = {
  algorithm: "round_robin",
} as const;

/** A server: `"http://host:port"`, or a table with its `url` and `weight`. */
export type UpstreamServer = string | UpstreamServerTable;

export interface UpstreamServerTable {
  /** `http://host:port` or `https://host:port`. Required. */
  readonly url: string;
  /** Share of the requests, relative to the other servers of the group. Default 1. */
  readonly weight?: number;
}

export const upstreamServerDefaults = {
  weight: 1,
} as const;

/** Requests that find out which servers of a group answer. Absent: no checks, every server is used. */
export interface HealthCheck {
  /** Seconds between two checks of a server. Default 10 seconds. */
  readonly interval_secs?: number;
  /** The path to ask for. Default `"/"`. */
  readonly path?: string;
  /** Seconds after which an unanswered check has failed. Default 5 seconds. */
  readonly timeout_secs?: number;
  /** Statuses that count as success. Default 200, 201, 202, 204, 301, 302, 304. */
  readonly healthy_statuses?: readonly number[];
  /** Consecutive failures after which a server is no longer used. Default 3. */
  readonly unhealthy_threshold?: number;
  /** Consecutive successes after which a server is used again. Default 2. */
  readonly healthy_threshold?: number;
}

export const healthCheckDefaults = {
  interval_secs: 10,
  path: "/",
  timeout_secs: 5,
  healthy_statuses: [200,201,202,204,301,302,304],
  unhealthy_threshold: 3,
  healthy_threshold: 2,
} as const;

/** What happens to the requests a route takes: files are served, or the request is passed on. */
export interface Route {
  /** `"File"` serves a file or a directory; `"Proxy"` passes requests on. Default `"File"`. */
  readonly type?: "File" | "Proxy";
  /** File: the file or directory to serve. Required for File. */
  readonly path?: string;
  /** File: `"sendfile"` sends from the page cache, `"memory"` loads at start and serves from memory. Default `"sendfile"`. */
  readonly mode?: "sendfile" | "memory";
  /** File: the file served for a directory, at any depth. Default `"index.html"`. */
  readonly index?: string;
  /** Proxy: the server to pass requests to, `http://host:port/path`. The rest of the path after the prefix is joined to it. Either this or `upstream`. */
  readonly url?: string;
  /** Proxy: the group of servers to pass requests to, a name in `upstreams`. Either this or `url`. */
  readonly upstream?: string;
  /** Proxy: send the client's `Host` to the server, in place of the server's own name. Default false. */
  readonly preserve_host?: boolean;
  /** Proxy: check the certificate of an https server. Default true. */
  readonly tls_verify?: boolean;
  /** Proxy: PEM file with the authorities trusted for an https server. Absent: the system's. */
  readonly tls_ca_path?: string;
  /** Other targets for some of the route's requests, asked in their order once every check of the route has passed; the first whose condition holds takes the request, else the route's own target does. Absent: there are none. */
  readonly when?: readonly RouteWhen[];
  readonly security?: RouteSecurity;
}

export const routeDefaults = {
  type: "File",
  mode: "sendfile",
  index: "index.html",
  preserve_host: false,
  tls_verify: true,
  when: [],
} as const;

/** Another target for those of a route's requests that a condition holds for. What the route checks (`security`) holds for all of its targets; the rest of the path is joined to each in the same way. */
export interface RouteWhen {
  /** What the target is called, by `zproxy explain`, in logs and in metrics; each name once in a route. Required. */
  readonly name: string;
  /** The condition: `method`, `client`, `header("name")`, `query("name")` or `cookie("name")`, compared by `==`, `!=`, `in [...]` or `not in [...]`; the last three also by `starts_with`, `ends_with` or `contains`, or alone, when it is enough that they are there. Combined by `and`, `or`, `not` and brackets; texts stand in double or single quotes. Of several headers, parameters or cookies of a name, one that compares is enough; `!=` and `not in` mean that none does. Names of headers have no case; all else is compared byte by byte. Query parameters are compared decoded, as forms send them (`+` is a blank). At most 256 comparisons; a list of clients counts as one. Required. */
  readonly if: string;
  /** `"File"` serves a file or a directory; `"Proxy"` passes requests on. Default `"File"`. */
  readonly type?: "File" | "Proxy";
  /** File: the file or directory to serve. Required for File. */
  readonly path?: string;
  /** File: `"sendfile"` sends from the page cache, `"memory"` loads at start and serves from memory. Default `"sendfile"`. */
  readonly mode?: "sendfile" | "memory";
  /** File: the file served for a directory, at any depth. Default `"index.html"`. */
  readonly index?: string;
  /** Proxy: the server to pass requests to, `http://host:port/path`. The rest of the path after the prefix is joined to it. Either this or `upstream`. */
  readonly url?: string;
  /** Proxy: the group of servers to pass requests to, a name in `upstreams`. Either this or `url`. */
  readonly upstream?: string;
  /** Proxy: send the client's `Host` to the server, in place of the server's own name. Default false. */
  readonly preserve_host?: boolean;
  /** Proxy: check the certificate of an https server. Default true. */
  readonly tls_verify?: boolean;
  /** Proxy: PEM file with the authorities trusted for an https server. Absent: the system's. */
  readonly tls_ca_path?: string;
}

export const routeWhenDefaults = {
  type: "File",
  mode: "sendfile",
  index: "index.html",
  preserve_host: false,
  tls_verify: true,
} as const;

/** Limits and access rules of one route. Absent: the defaults of its keys. */
export interface RouteSecurity {
  /** Bytes of a request body sent with Content-Length; more is answered 413. 0 refuses every body. Default 10485760 bytes (10 MiB). */
  readonly max_request_body_size?: number;
  /** Bytes of a chunked request body in total; more is answered 413. 0 refuses every chunked body that is not empty. Default 10485760 bytes (10 MiB). */
  readonly max_chunked_body_size?: number;
  /** Bytes of the request line and headers together; more is answered 431. While the route is not known yet, the largest value of any route holds. Default 8192 bytes. */
  readonly max_request_header_size?: number;
  /** Seconds a client has to send its request head; then 408. While the route is not known yet, the largest value of any route holds. Default 30 seconds. */
  readonly client_header_timeout_secs?: number;
  /** Seconds without a byte of the request body after which the answer is 408. Default 30 seconds. */
  readonly client_body_timeout_secs?: number;
  /** Seconds to connect to a server; then 504. Default 10 seconds. */
  readonly backend_connect_timeout_secs?: number;
  /** Methods the route takes; others are answered 405. Empty is all of them. Default all. */
  readonly allowed_methods?: readonly string[];
  /** Requests a minute from one client address (IPv6: one /64); more is answered 429. 0 is no limit. Default 0. */
  readonly rate_limit_requests_per_min?: number;
  /** Addresses or CIDR blocks that may use the route; others are answered 403. Empty is everyone. Default everyone. */
  readonly allowed_ips?: readonly string[];
  /** Addresses or CIDR blocks that are answered 403, looked at before `allowed_ips`. Default none. */
  readonly denied_ips?: readonly string[];
  /** Idle connections a worker keeps to one server for reuse. 0 keeps none. Default 8. */
  readonly max_idle_connections_per_host?: number;
  /** Seconds an idle connection to a server is kept. Default 30 seconds. */
  readonly idle_connection_timeout_secs?: number;
}

export const routeSecurityDefaults = {
  max_request_body_size: 10485760,
  max_chunked_body_size: 10485760,
  max_request_header_size: 8192,
  client_header_timeout_secs: 30,
  client_body_timeout_secs: 30,
  backend_connect_timeout_secs: 10,
  allowed_methods: [],
  rate_limit_requests_per_min: 0,
  allowed_ips: [],
  denied_ips: [],
  max_idle_connections_per_host: 8,
  idle_connection_timeout_secs: 30,
} as const;

/** A request and what must become of it. */
export interface RouteTest {
  /** Method and URL, such as `GET http://example.com/api/users`. Required. */
  readonly request: string;
  /** The address the request comes from. Default `"127.0.0.1"`. */
  readonly client_ip?: string;
  /** Request headers by name. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly expect: RouteTestExpectation;
}

export const routeTestDefaults = {
  client_ip: "127.0.0.1",
  headers: {},
} as const;

/** What must become of a test's request; at least one key. Required. */
export interface RouteTestExpectation {
  /** Key path of the route that takes the request, such as `path_routes."example.com"."/api/"`; `"none"` for no route. Absent: any. */
  readonly route?: string;
  /** Name of the target that takes the request, of those in the route's `when`; `"none"` for the route's own. Absent: any will do. */
  readonly when?: string;
  /** The status the proxy itself answers with, such as 403. Absent: any. */
  readonly status?: number;
  /** Name of the group of servers the request goes to. Absent: any. */
  readonly upstream?: string;
  /** URL the request is passed on to. Absent: any. */
  readonly url?: string;
  /** File that is looked for, or the index in it. Whether it is there is not looked at. Absent: any. */
  readonly file?: string;
  /** Headers that go to the server by name; `""` for one that must not. Absent: any. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers of the proxy's own answer by name, such as `Allow` of a 405; `""` for one that must not be there. `Date` and `Connection` are not known. Absent: any. */
  readonly response_headers?: Readonly<Record<string, string>>;
}
