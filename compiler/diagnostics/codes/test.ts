// Codes about [[tests]].

import { entry } from "../code-entry.ts";

export const testCodes = {
  "test/invalid-request": entry<{ request: string; reason: string }>({
    severity: "error",
    message: ({ request, reason }) => `${request} cannot be asked: ${reason}`,
    hint: () => 'write it as "GET http://example.com/path"',
    meaning: "The request of a test is a method and a URL with its host.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET /path"\n' +
      "expect = { status = 404 }",
    remedy: "Write the whole URL; its scheme plays no part.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/path"\n' +
      "expect = { status = 404 }",
  }),
  "test/invalid-client": entry<{ value: string; reason: string }>({
    severity: "error",
    message: ({ value, reason }) => `${value} is not a client address: ${reason}`,
    hint: () => 'write one address, such as "192.168.1.7" or "2001:db8::7"',
    meaning: "A request comes from one address. Blocks and names have none.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'client_ip = "10.0.0.0/8"\n' +
      "expect = { status = 404 }",
    remedy: "Write one address.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'client_ip = "10.0.0.1"\n' +
      "expect = { status = 404 }",
  }),
  "test/invalid-header": entry<{ name: string; reason: string }>({
    severity: "error",
    message: ({ name, reason }) => `the header ${name} cannot be sent: ${reason}`,
    hint: () => "correct or remove it",
    meaning: "No client can send such a header in one line.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'headers = { "x y" = "z" }\n' +
      "expect = { status = 404 }",
    remedy: "Write the header's name and value as they are sent.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'headers = { x-y = "z" }\n' +
      "expect = { status = 404 }",
  }),
  "test/unknown-route": entry<{ route: string }>({
    severity: "error",
    message: ({ route }) => `there is no route ${route}`,
    hint: () => 'write its key path, or "none" for no route',
    meaning:
      "A test expects a route that the configuration does not have, so it would always fail. A route is named by its key path, as in its table's header.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      "expect = { route = 'host_routes.\"example.org\"' }",
    remedy: 'Name a route of this file, or `"none"`.',
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      "expect = { route = 'host_routes.\"example.com\"' }",
  }),
  "test/unknown-when": entry<{ when: string }>({
    severity: "error",
    message: ({ when }) => `there is no target ${when}`,
    hint: () => 'write its name, or "none" for the route\'s own target',
    meaning:
      "A test expects another target than the route has, so it would always fail. A target is " +
      "named by `name` in `[[...when]]`.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'expect = { when = "beta" }',
    remedy: "Name a target of the route.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      '[[host_routes."example.com".when]]\n' +
      'name = "beta"\n' +
      "if = 'cookie(\"beta\")'\n" +
      'path = "/var/www-beta"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'headers = { Cookie = "beta=1" }\n' +
      'expect = { when = "beta" }',
  }),
  "test/unknown-upstream": entry<{ upstream: string }>({
    severity: "error",
    message: ({ upstream }) => `there is no upstream ${upstream}`,
    hint: () => "name one of [upstreams], or expect a url",
    meaning: "A test expects a group of servers that the configuration does not have.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'expect = { upstream = "api" }',
    remedy: "Name a group of this file. For a route with `url`, expect that URL.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'expect = { file = "/var/www" }',
  }),
  "test/failed": entry<{ what: string; expected: string; actual: string }>({
    severity: "error",
    message: ({ what, expected, actual }) => `${what} should be ${expected}, but is ${actual}`,
    hint: () => "zproxy explain says why; correct the test or the configuration",
    meaning:
      "`zproxy test` asked the request of a test, and something else became of it than the test expects.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      "expect = { status = 404 }",
    remedy: "Correct the route, or what the test expects.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'path = "/var/www"\n' +
      "[[tests]]\n" +
      'request = "GET http://example.com/"\n' +
      'expect = { file = "/var/www" }',
  }),
};
