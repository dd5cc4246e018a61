// Codes about the configuration as a whole.

import { entry } from "../code-entry.ts";

export const configCodes = {
  "config/not-supported-yet": entry<{ what: string }>({
    severity: "error",
    message: ({ what }) => `${what} is not supported yet`,
    hint: ({ what }) => `remove ${what}`,
    meaning:
      "The key is part of the configuration language, but this version does not act on it yet. " +
      "It is an error and not ignored, because a limit that is not enforced is worse than none.",
    example: '[performance]\nio = "epoll"',
    remedy: "Remove the key, or give it the value that switches the feature off.",
    corrected: '[performance]\nio = "auto"',
  }),
  "config/no-route": entry({
    severity: "warning",
    message: () => "there is no route, so every request is answered 404",
    hint: () => 'add a route: [path_routes."example.com"."/"]',
    meaning: "Neither `host_routes` nor `path_routes` has an entry.",
    example: '[server]\nlisten = "0.0.0.0:8080"',
    remedy: 'Add a route, such as `[path_routes."example.com"."/"]` with `path = "/var/www"`.',
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      '[path_routes."example.com"."/"]\n' +
      'path = "/var/www"',
  }),
};
