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
    corrected:
      '[path_routes."example.com"."/api/"]\n' +
      'type = "Proxy"\n' +
      'url = "http://localhost:8080/app/"',
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
    corrected:
      '[host_routes."example.com"]\n' + 'type = "Proxy"\n' + 'url = "http://127.0.0.1:8080"',
  }),
  "route/no-backend": entry({
    severity: "error",
    message: () => "the Proxy route has neither url nor upstream",
    hint: () => 'add url = "http://host:port" or upstream = "name"',
    meaning: "A Proxy route must say where requests are passed on to.",
    example: '[host_routes."example.com"]\ntype = "Proxy"',
    remedy: 'Add `url = "http://127.0.0.1:8080"`, or `upstream` with the name of a group.',
    corrected:
      '[host_routes."example.com"]\n' + 'type = "Proxy"\n' + 'url = "http://127.0.0.1:8080"',
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
    corrected: '[host_routes."example.com"]\n' + 'path = "/var/www"\n' + 'mode = "memory"',
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
    corrected:
      '[host_routes."example.com"]\n' + 'type = "Proxy"\n' + 'url = "http://127.0.0.1:8080"',
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
    corrected: '[host_routes."www.example.com"]\n' + 'path = "/var/www"',
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
    corrected: '[host_routes."example.com"]\n' + 'path = "/var/www"',
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
    corrected: '[host_routes."example.com"]\n' + 'path = "/var/www"',
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
    corrected: '[host_routes."example.com"]\n' + 'path = "/var/www"',
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
    corrected: '[path_routes."example.com"."/api"]\n' + 'path = "/var/www"',
  }),
  "route/star-in-prefix": entry<{ prefix: string; before: string }>({
    severity: "note",
    message: ({ prefix }) => `the * in ${prefix} is compared as it is and stands for nothing else`,
    hint: ({ before }) => `write ${before}, which takes everything below it`,
    meaning:
      "A path is a prefix and no pattern: it takes itself and everything below it, and a star in it takes a star alone.",
    example: '[path_routes."example.com"."/docs/*"]\npath = "/var/www/docs"',
    remedy: "Leave out the star and what is behind it.",
    corrected: '[path_routes."example.com"."/docs/"]\n' + 'path = "/var/www/docs"',
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
    corrected: '[path_routes."example.com"."/docs"]\n' + 'path = "/var/www/docs"',
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
    corrected:
      '[path_routes."example.com"."/"]\n' +
      'path = "/var/www"\n' +
      '[path_routes."example.com"."/api/"]\n' +
      'path = "/srv/api"',
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
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET"] }',
  }),
  "route/no-client": entry({
    severity: "warning",
    message: () => "every client is denied, so every request is answered 403",
    hint: () => "narrow denied_ips, or remove the route",
    meaning:
      "`denied_ips` is looked at first, and it takes every address that could use the route.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.1.0.0/16"], denied_ips = ["10.0.0.0/8"] }',
    remedy: "Deny only a part of what is allowed.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"], denied_ips = ["10.1.0.0/16"] }',
  }),
  "route/clients-behind-proxy": entry({
    severity: "warning",
    message: () =>
      "the server listens on loopback only, so no client has an address of these rules",
    hint: () => 'name the proxy in front: trusted_proxies = ["127.0.0.1"] in [server]',
    meaning:
      "A server that listens on loopback is reached by programs of its own machine only, such as a proxy in front of it. Rules about other addresses then need `server.trusted_proxies`, so that the client's address is taken from `X-Forwarded-For`.",
    example:
      "[server]\n" +
      'listen = "127.0.0.1:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"] }',
    remedy: "Say which proxy is believed.",
    corrected:
      "[server]\n" +
      'listen = "127.0.0.1:8080"\n' +
      'trusted_proxies = ["127.0.0.1"]\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_ips = ["10.0.0.0/8"] }',
  }),
  "route/chunked-above-body": entry<{ body: number; chunked: number }>({
    severity: "warning",
    message: ({ body, chunked }) =>
      `a chunked body may have ${chunked} bytes, another one only ${body}`,
    hint: ({ body }) => `write max_chunked_body_size = ${body}`,
    meaning:
      "A client chooses whether it says the size of its body or sends it in chunks. With a higher limit for chunks, the limit of the others can be passed by.",
    example:
      '[host_routes."example.com"]\n' +
      'type = "Proxy"\n' +
      'url = "http://127.0.0.1:3000"\n' +
      "security = { max_request_body_size = 65536 }",
    remedy: "Set both limits.",
    corrected:
      '[host_routes."example.com"]\n' +
      'type = "Proxy"\n' +
      'url = "http://127.0.0.1:3000"\n' +
      "security = { max_request_body_size = 65536, max_chunked_body_size = 65536 }",
  }),
  "route/limit-applies-late": entry<{ key: string; value: number; largest: number }>({
    severity: "note",
    message: ({ key, value, largest }) =>
      `${key} = ${value} holds once the head is read; until then it is ${largest}`,
    hint: ({ key, value }) => `for ${value} from the first byte on, set ${key} on every route`,
    meaning:
      "The route is known only when the head has been read. While it is being read, the largest value of any route holds, defaults included; the route's own value is enforced after that.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "security = { max_request_header_size = 1024 }\n" +
      '[host_routes."api.example.com"]\n' +
      'path = "/srv/api"',
    remedy: "Nothing, if the smaller value may come late; else set it on every route.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "security = { max_request_header_size = 1024 }\n" +
      '[host_routes."api.example.com"]\n' +
      'path = "/srv/api"\n' +
      "security = { max_request_header_size = 1024 }",
  }),
  "route/limit-without-effect": entry<{ key: string }>({
    severity: "warning",
    message: ({ key }) => `${key} does nothing in a File route`,
    hint: ({ key }) => `remove ${key}, or set type = "Proxy"`,
    meaning: "The limit is about connections to servers, and a File route has none.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "security = { backend_connect_timeout_secs = 3 }",
    remedy: "Remove the key.",
    corrected: '[host_routes."example.com"]\n' + 'path = "/var/www"',
  }),
  "route/method-without-effect": entry<{ method: string }>({
    severity: "warning",
    message: ({ method }) => `a File route answers GET and HEAD only, so ${method} stays refused`,
    hint: ({ method }) => `remove ${method}, or set type = "Proxy"`,
    meaning: "Files can be read and nothing else, whatever `allowed_methods` says.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET", "POST"] }',
    remedy: "Remove the method.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET"] }',
  }),
  "route/no-method": entry({
    severity: "warning",
    message: () => "a File route answers GET and HEAD only, and neither is allowed",
    hint: () => 'add "GET" and "HEAD", or set type = "Proxy"',
    meaning: "Every request of the route is answered 405.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["POST"] }',
    remedy: "Allow the methods that a File route answers.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET", "HEAD"] }',
  }),
  "route/duplicate-method": entry<{ method: string }>({
    severity: "warning",
    message: ({ method }) => `${method} is listed twice`,
    hint: () => "remove one of the two",
    meaning: "The second entry changes nothing; perhaps another method was meant.",
    example:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET", "GET"] }',
    remedy: "Remove one of the two.",
    corrected:
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      'security = { allowed_methods = ["GET", "HEAD"] }',
  }),
  "route/hides-wildcard": entry<{ host: string; wildcard: string }>({
    severity: "note",
    message: ({ host, wildcard }) =>
      `what no prefix of ${host} takes is answered 404, not by ${wildcard}`,
    hint: () => 'add a route for "/"',
    meaning:
      "A request belongs to the most specific host that takes its name. When none of that host's prefixes takes its path, no other host is asked.",
    example:
      '[path_routes."www.example.com"."/api"]\n' +
      'path = "/srv/api"\n' +
      '[path_routes."*"."/"]\n' +
      'path = "/var/www"',
    remedy: "Add the route for the rest of the paths, if there should be one.",
    corrected:
      '[path_routes."www.example.com"."/api"]\n' +
      'path = "/srv/api"\n' +
      '[path_routes."www.example.com"."/"]\n' +
      'path = "/var/www"\n' +
      '[path_routes."*"."/"]\n' +
      'path = "/var/www"',
  }),
};
