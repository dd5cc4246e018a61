// Codes about [performance].

import { entry } from "../code-entry.ts";

export const performanceCodes = {
  "performance/cbpf-one-worker": entry({
    severity: "warning",
    message: () => "with one worker there is nothing to balance",
    hint: () => "remove reuseport_balancing, or start more threads",
    meaning:
      "The program chooses the worker of a connection by the client's address. With `threads = 1` there is only one.",
    example:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      "threads = 1\n" +
      "[performance]\n" +
      'reuseport_balancing = "cbpf"',
    remedy: "Leave the kernel's way, or start more workers.",
    corrected:
      "[server]\n" +
      'listen = "0.0.0.0:8080"\n' +
      "threads = 4\n" +
      "[performance]\n" +
      'reuseport_balancing = "cbpf"',
  }),
};
