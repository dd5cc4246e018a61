// Codes about [upstreams.NAME] and references to it.

import { entry } from "../code-entry.ts";

export const upstreamCodes = {
  "upstream/not-found": entry<{ name: string }>({
    severity: "error",
    message: ({ name }) => `Upstream '${name}' not found`,
    hint: ({ name }) => `add [upstreams.${name}], or name one that exists`,
    meaning: "A route refers to a group of servers that is not defined.",
    example: '[path_routes."example.com"."/api/"]\ntype = "Proxy"\nupstream = "backend-pool"',
    remedy:
      'Define it: `[upstreams.backend-pool]` with `servers = ["http://127.0.0.1:8080"]`, or ' +
      "correct the name.",
    corrected:
      "[upstreams.backend-pool]\n" +
      'servers = ["http://127.0.0.1:8080"]\n' +
      '[path_routes."example.com"."/api/"]\n' +
      'type = "Proxy"\n' +
      'upstream = "backend-pool"',
  }),
  "upstream/invalid-url": entry<{ name: string; url: string; reason: string }>({
    severity: "error",
    message: ({ name, url }) => `Invalid server URL for upstream '${name}': ${url}`,
    hint: ({ reason }) => `${reason}; write it as "http://host:port"`,
    meaning: "A server of the group is not an http or https URL.",
    example: '[upstreams.api]\nservers = ["api1:8080"]',
    remedy: 'Write the scheme: `"http://api1:8080"`.',
    corrected: "[upstreams.api]\n" + 'servers = ["http://api1:8080"]',
  }),
  "upstream/server-path": entry<{ url: string; path: string }>({
    severity: "error",
    message: ({ url, path }) => `the server ${url} cannot have the path ${path}`,
    hint: ({ path }) => `remove ${path}; use a route with url where a path is needed`,
    meaning:
      "Servers of a group stand for each other, so they are named by host and port alone. The " +
      "path of a request is passed on as it is after the route's prefix.",
    example: '[upstreams.api]\nservers = ["http://api1:8080/v2"]',
    remedy: 'Name host and port: `"http://api1:8080"`.',
    corrected: "[upstreams.api]\n" + 'servers = ["http://api1:8080"]',
  }),
  "upstream/duplicate-server": entry<{ url: string }>({
    severity: "warning",
    message: ({ url }) => `${url} is in the group twice`,
    hint: () => "remove one of the two; to send it more requests use weight",
    meaning:
      "The same server is listed twice, which doubles its share and counts its failures twice.",
    example: '[upstreams.api]\nservers = ["http://api1:8080", "http://api1:8080"]',
    remedy: "Keep one entry.",
    corrected: "[upstreams.api]\n" + 'servers = ["http://api1:8080", "http://api2:8080"]',
  }),
  "upstream/unused": entry<{ name: string }>({
    severity: "warning",
    message: ({ name }) => `no route uses the upstream ${name}`,
    hint: ({ name }) => `refer to it with upstream = ${JSON.stringify(name)}, or remove it`,
    meaning: "The group is defined, but no route refers to it.",
    example: '[upstreams.api]\nservers = ["http://api1:8080"]',
    remedy: 'Refer to it in a Proxy route with `upstream = "api"`, or remove it.',
    corrected:
      "[upstreams.api]\n" +
      'servers = ["http://api1:8080"]\n' +
      '[host_routes."example.com"]\n' +
      'type = "Proxy"\n' +
      'upstream = "api"',
  }),
  "upstream/invalid-health-path": entry<{ value: string; reason: string }>({
    severity: "error",
    message: ({ value, reason }) => `the health check path ${value} ${reason}`,
    hint: () => 'write a path such as "/health"',
    meaning:
      "The path of a health check is sent to the server as it is, so it must be the path of " +
      "an HTTP request.",
    example: '[upstreams.api]\nservers = ["http://api1:8080"]\nhealth_check = { path = "health" }',
    remedy: 'Start the path with a slash: `path = "/health"`.',
    corrected:
      "[upstreams.api]\n" +
      'servers = ["http://api1:8080"]\n' +
      'health_check = { path = "/health" }',
  }),
  "upstream/health-timeout": entry<{ timeout: number; interval: number }>({
    severity: "warning",
    message: ({ timeout, interval }) =>
      `a health check may take ${timeout} s, but one is due every ${interval} s`,
    hint: () => "make timeout_secs smaller than interval_secs",
    meaning:
      "The next check waits for the last one, so a server that does not answer is asked less often than `interval_secs` says, and is found out later.",
    example:
      "[upstreams.api]\n" +
      'servers = ["http://api1:8080"]\n' +
      "health_check = { interval_secs = 2, timeout_secs = 5 }",
    remedy: "Let a check time out before the next one is due.",
    corrected:
      "[upstreams.api]\n" +
      'servers = ["http://api1:8080"]\n' +
      "health_check = { interval_secs = 5, timeout_secs = 2 }",
  }),
  "upstream/weight-without-effect": entry<{ reason: string }>({
    severity: "warning",
    message: ({ reason }) => `weight changes nothing: ${reason}`,
    hint: () => "remove weight, or give the servers different ones",
    meaning: "Weights are relative to each other. Equal ones share the requests like none.",
    example: "[upstreams.api]\n" + 'servers = [{ url = "http://api1:8080", weight = 5 }]',
    remedy: "Remove the weight, or add another server.",
    corrected:
      "[upstreams.api]\n" +
      'servers = [{ url = "http://api1:8080", weight = 5 }, "http://api2:8080"]',
  }),
};
