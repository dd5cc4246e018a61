// Codes about [server].

import { entry } from "../code-entry.ts";

export const serverCodes = {
  "server/invalid-listen": entry<{ value: string; reason: string }>({
    severity: "error",
    message: ({ value, reason }) => `cannot listen on ${value}: ${reason}`,
    hint: () => 'write "address:port", such as "0.0.0.0:8080" or "[::]:8080"',
    meaning:
      "`listen` is an IP address and a port. Names are not looked up; a port alone is not enough.",
    example: '[server]\nlisten = "localhost:8080"',
    remedy:
      'Write the address: `listen = "127.0.0.1:8080"`; for all of them `"0.0.0.0:8080"`, with ' +
      'IPv6 `"[::]:8080"`.',
    corrected: "[server]\n" + 'listen = "127.0.0.1:8080"',
  }),
  "server/duplicate-listen": entry<{ value: string }>({
    severity: "error",
    message: ({ value }) => `${value} is listened on twice`,
    hint: () => "remove one of the two",
    meaning: "Two entries of `listen` mean the same address and port.",
    example: '[server]\nlisten = ["0.0.0.0:8080", "0.0.0.0:8080"]',
    remedy: "Keep one of them.",
    corrected: "[server]\n" + 'listen = ["0.0.0.0:8080", "0.0.0.0:8081"]',
  }),
  "server/trusts-everyone": entry<{ value: string }>({
    severity: "warning",
    message: ({ value }) => `${value} trusts every client to say what its address is`,
    hint: () => "name the addresses of the proxies in front",
    meaning:
      "Whoever is in `trusted_proxies` can write any address into `X-Forwarded-For`. With every address trusted, rules about addresses and rate limits can be passed by at will.",
    example: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + 'trusted_proxies = ["0.0.0.0/0"]',
    remedy: "Name the proxies only.",
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + 'trusted_proxies = ["10.0.0.0/24"]',
  }),
  "server/proxies-to-itself": entry<{ url: string }>({
    severity: "warning",
    message: ({ url }) => `${url} is this server itself`,
    hint: () => "write the address of the other server",
    meaning:
      "Requests would come back to this server and be passed on again, until connections run out.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'type = "Proxy"\n' +
      'url = "http://127.0.0.1:8080"',
    remedy: "Name the server that is meant.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[host_routes."example.com"]\n' +
      'type = "Proxy"\n' +
      'url = "http://127.0.0.1:3000"',
  }),
  "server/privileged-port": entry<{ port: number }>({
    severity: "note",
    message: ({ port }) => `port ${port} can be bound at start only, before privileges are dropped`,
    hint: () => "restart the server to listen on another port below 1024; a reload cannot",
    meaning:
      "Ports below 1024 need a privilege. The server binds them as root and then becomes `drop_privileges_user`, so that a later reload cannot bind further ones.",
    example:
      "[server]\n" + 'listen = "0.0.0.0:80"\n' + "[security]\n" + 'drop_privileges_user = "nobody"',
    remedy: "Nothing, or a port of 1024 and above with a redirection in front.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      "[security]\n" +
      'drop_privileges_user = "nobody"',
  }),
};
