// nginx twice: as the peer, configured as a careful administrator would, and as the backend.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificate } from "../lib/certificates.ts";
import {
  type BenchServer,
  freePorts,
  needTool,
  onlyWorker,
  type Surroundings,
  startGroup,
  untilListening,
} from "./bench-server.ts";
import { openFilesMax, pinned } from "./machine.ts";
import { bodyOf, PATHS, type Site } from "./site.ts";

/** Connections are never closed by count, on either side: wrk would count that as an error. */
const FOREVER = 1_000_000_000;
const INTERMEDIATE_CIPHERS =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/** The peer: one worker, no access log, everything for speed that its manual names. */
export async function startNginx(around: Surroundings): Promise<BenchServer> {
  const [port] = await freePorts(1);
  const config = nginxConfig(around.folder, peerBlocks(around, port));
  const server = await runNginx("nginx", around.folder, config, around.cpu, [port]);
  if (around.certificate === undefined) return server;
  return { ...server, origin: server.origin.replace("http:", "https:") };
}

/** The fixed replies behind the proxies, on each of `ports`. */
export async function startNginxBackend(
  site: Site,
  folder: string,
  cpu: number,
  ports: readonly number[],
): Promise<BenchServer> {
  const config = nginxConfig(folder, backendBlocks(site, ports));
  return runNginx("backend", folder, config, cpu, ports);
}

async function runNginx(
  name: "nginx" | "backend",
  folder: string,
  config: string,
  cpu: number,
  ports: readonly number[],
): Promise<BenchServer> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "nginx.conf");
  writeFileSync(path, config);
  const [command, ...args] = [...pinned(cpu), needTool("nginx"), "-p", folder, "-c", path];
  const child = startGroup(command, args);
  for (const port of ports) await untilListening(child, port);
  const worker = await onlyWorker(child);
  return {
    name,
    origin: `http://127.0.0.1:${ports[0]}`,
    pids: [worker],
    process: child,
    stop: async () => void (await child.stop("SIGTERM")),
  };
}

function nginxConfig(folder: string, blocks: string): string {
  const connections = Math.min(openFilesMax() - 100, 16_000);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `  ${kind}_temp_path ${folder}/${kind};`)
    .join("\n");
  return `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;\n" : ""}pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections ${connections}; }
http {
${temporary}
  access_log off;
  default_type text/plain;
  sendfile on;
  tcp_nodelay on;
  open_file_cache max=1000 inactive=60s;
  open_file_cache_valid 60s;
  keepalive_requests ${FOREVER};
${blocks}}
`;
}

/**
 * tcp_nopush saves a packet on small files and waits for acknowledgements on large ones, so each
 * path has what is faster for nginx. proxy_buffering and its buffers stay at their defaults: on,
 * 8 of 4 KiB and one for the head.
 */
function peerBlocks(around: Surroundings, port: number): string {
  const { site, backendPort, certificate } = around;
  return `  upstream backend {
    server 127.0.0.1:${backendPort};
    keepalive 256;
    keepalive_requests ${FOREVER};
  }
  server {
    listen 127.0.0.1:${port}${certificate === undefined ? "" : " ssl"};
${certificate === undefined ? "" : tlsLines(certificate)}    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }
    location /files/ { root ${site.root}; tcp_nopush on; }
    location = ${PATHS.bigFile} { root ${site.root}; }
    location = ${PATHS.memory} { return 200 "${bodyOf(site, PATHS.memory)}"; }
  }
`;
}

/** Mozilla's "intermediate" profile. Tickets and a shared cache are what its manual advises. */
function tlsLines({ certPath, keyPath }: Certificate): string {
  return `    ssl_certificate ${certPath};
    ssl_certificate_key ${keyPath};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ${INTERMEDIATE_CIPHERS};
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:bench:10m;
    ssl_session_timeout 1d;
`;
}

function backendBlocks(site: Site, ports: readonly number[]): string {
  return `  server {
${ports.map((port) => `    listen 127.0.0.1:${port};\n`).join("")}
    location = ${PATHS.proxySmall} { return 200 "${bodyOf(site, PATHS.proxySmall)}"; }
    location = ${PATHS.proxyLarge} { root ${site.root}; }
  }
`;
}
