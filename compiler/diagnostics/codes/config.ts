// Codes about the configuration as a whole.

import { entry } from "../code-entry.ts";

export const configCodes = {
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
