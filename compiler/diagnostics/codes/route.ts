// Codes about [host_routes.HOST] and [path_routes.HOST.PREFIX].

import { entry } from "../code-entry.ts";

export const routeCodes = {
  "route/invalid-url": entry<{ route: string; url: string; reason: string }>({
    severity: "error",
    message: ({ route, url }) => `Invalid proxy URL for route '${route}': ${url}`,
    hint: ({ reason }) => `${reason}; write it as "http://host:port/path"`,
    meaning:
      "`url` of a Proxy route is not an http or https URL that requests can be passed on to.",
    example: '[path_routes."example.com"."/api/"]\ntype = "Proxy"\nurl = "invalid-url"',
    remedy: 'Write a whole URL: `url = "http://localhost:8080/app/"`.',
  }),
  "route/url-and-upstream": entry({
    severity: "error",
    message: () => "the route has both url and upstream",
    hint: () => "keep one of the two",
    meaning:
      "A Proxy route passes requests either to one server (`url`) or to a group (`upstream`).",
    example:
      '[host_routes."example.com"]\ntype = "Proxy"\nurl = "http://127.0.0.1:8080"\nupstream = ' +
      '"api"',
    remedy: "Remove `url` or `upstream`.",
  }),
  "route/no-backend": entry({
    severity: "error",
    message: () => "the Proxy route has neither url nor upstream",
    hint: () => 'add url = "http://host:port" or upstream = "name"',
    meaning: "A Proxy route must say where requests are passed on to.",
    example: '[host_routes."example.com"]\ntype = "Proxy"',
    remedy: 'Add `url = "http://127.0.0.1:8080"`, or `upstream` with the name of a group.',
  }),
  "route/missing-path": entry({
    severity: "error",
    message: () => "the File route has no path",
    hint: () => 'add path = "/the/file/or/directory", or type = "Proxy"',
    meaning:
      "A File route must name the file or directory it serves. A route without `type` is a " +
      "File route.",
    example: '[host_routes."example.com"]\nmode = "memory"',
    remedy: 'Add `path = "/var/www"`.',
  }),
  "route/key-without-effect": entry<{ key: string; type: string; owner: string }>({
    severity: "error",
    message: ({ key, type }) => `${key} does nothing in a ${type} route`,
    hint: ({ key, owner }) => `remove ${key}, or set type = "${owner}"`,
    meaning:
      "The key belongs to the other type of route. It is not ignored, because a route that " +
      "was meant to pass requests on would serve files instead. A route without `type` is a " +
      "File route.",
    example: '[host_routes."example.com"]\npath = "/var/www"\nurl = "http://127.0.0.1:8080"',
    remedy: 'Remove the key, or set `type = "Proxy"`.',
  }),
  "route/invalid-host": entry<{ host: string; reason: string }>({
    severity: "error",
    message: ({ host, reason }) => `${host} is not a host name: ${reason}`,
    hint: () => 'write a name such as "example.com", "*.example.com", or "*"',
    meaning:
      "The key of a host is a host name, an IP address, `*.` and a name for everything below " +
      "it, or `*` for every host.",
    example: '[host_routes."www.*.com"]\npath = "/var/www"',
    remedy:
      'Write the whole name: `[host_routes."www.example.com"]`. The star stands at the start only.',
  }),
  "route/port-in-host": entry<{ host: string; name: string }>({
    severity: "error",
    message: ({ host }) => `the host ${host} has a port`,
    hint: ({ name }) =>
      `write "${name}"; ports are set in server.listen, and a request's port is not compared`,
    meaning:
      "Routes are chosen by host name. The port of the Host header takes no part, so a key " +
      "with a port would never match.",
    example: '[host_routes."example.com:8080"]\npath = "/var/www"',
    remedy: 'Leave the port out: `[host_routes."example.com"]`.',
  }),
  "route/unquoted-host": entry<{ host: string; key: string }>({
    severity: "error",
    message: ({ host }) => `the host name ${host} is not in quotes, so its dots separate keys`,
    hint: ({ key }) => `write ${key}`,
    meaning:
      "In TOML a dot in a key without quotes starts a table inside a table: " +
      "`host_routes.example.com` is the table `com` in the table `example`.",
    example: '[host_routes.example.com]\npath = "/var/www"',
    remedy: 'Quote the host name: `[host_routes."example.com"]`.',
  }),
  "route/duplicate-host": entry<{ host: string; earlier: string }>({
    severity: "error",
    message: ({ host, earlier }) => `${host} and ${earlier} are the same host`,
    hint: () => "merge the two",
    meaning:
      "Host names are compared in lower case and without a trailing dot, so the two keys mean " +
      "the same host.",
    example:
      '[host_routes."example.com"]\npath = "/var/www"\n[host_routes."EXAMPLE.com"]\npath = ' +
      '"/var/www"',
    remedy: "Put all of the host's routes under one spelling.",
  }),
  "route/invalid-prefix": entry<{ prefix: string; reason: string }>({
    severity: "error",
    message: ({ prefix, reason }) => `the path ${prefix} ${reason}`,
    hint: () => 'write a path such as "/api/"',
    meaning:
      "Request paths are brought to one normal form before they are compared: they start with " +
      "a slash, have no `.` and `..` segments, no query, and only escapes that are needed, in " +
      "upper case. A key in another form would never match.",
    example: '[path_routes."example.com"."api"]\npath = "/var/www"',
    remedy: 'Write the normal form: `"/api"`.',
  }),
  "route/duplicate": entry<{ prefix: string; earlier: string }>({
    severity: "error",
    message: ({ prefix, earlier }) => `${prefix} and ${earlier} are the same path`,
    hint: () => "remove one of the two; a slash at the end makes no difference",
    meaning:
      "A prefix matches itself and everything below it, whether or not it ends in a slash, so " +
      "the two routes take the same requests.",
    example:
      '[path_routes."example.com"."/docs"]\npath = ' +
      '"/var/www/docs"\n[path_routes."example.com"."/docs/"]\npath = "/var/www/docs"',
    remedy: "Remove one of them.",
  }),
  "route/unreachable": entry<{ host: string }>({
    severity: "warning",
    message: ({ host }) =>
      `host_routes takes every request for ${host}, so its path_routes are never used`,
    hint: ({ host }) => `move the host route to [path_routes."${host}"."/"]`,
    meaning:
      "`host_routes` is looked at first and one entry takes every path of its host. Path " +
      "routes of the same host can never be chosen.",
    example:
      '[host_routes."example.com"]\npath = ' +
      '"/var/www"\n[path_routes."example.com"."/api/"]\npath = "/srv/api"',
    remedy:
      'Move the host route to `[path_routes."example.com"."/"]`, where it takes what no ' +
      "longer prefix takes.",
  }),
  "route/invalid-method": entry<{ method: string; reason: string }>({
    severity: "error",
    message: ({ method, reason }) => `${method} is not a method: ${reason}`,
    hint: () => 'write methods such as "GET" and "POST"',
    meaning:
      "A method is an HTTP token, and methods are case-sensitive: `get` is another method " +
      "than `GET`, and clients send the latter.",
    example:
      '[host_routes."example.com"]\npath = "/var/www"\nsecurity = { allowed_methods = ["get"] }',
    remedy: 'Write it as clients send it: `allowed_methods = ["GET"]`.',
  }),
};
