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
  }),
  "server/duplicate-listen": entry<{ value: string }>({
    severity: "error",
    message: ({ value }) => `${value} is listened on twice`,
    hint: () => "remove one of the two",
    meaning: "Two entries of `listen` mean the same address and port.",
    example: '[server]\nlisten = ["0.0.0.0:8080", "0.0.0.0:8080"]',
    remedy: "Keep one of them.",
  }),
};
