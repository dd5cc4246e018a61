// Codes about [admin].

import { entry } from "../code-entry.ts";

const SERVER = '[server]\nlisten = "0.0.0.0:8080"\n';

export const adminCodes = {
  "admin/invalid-listen": entry<{ value: string; reason: string }>({
    severity: "error",
    message: ({ value, reason }) => `cannot listen on ${value}: ${reason}`,
    hint: () => 'write "address:port", such as "127.0.0.1:9090"',
    meaning: "`listen` of `[admin]` is one IP address and a port.",
    example: `${SERVER}[admin]\nlisten = "9090"`,
    remedy: 'Write the address: `listen = "127.0.0.1:9090"`.',
    corrected: `${SERVER}[admin]\nlisten = "127.0.0.1:9090"`,
  }),
  "admin/listen-taken": entry<{ value: string }>({
    severity: "error",
    message: ({ value }) => `${value} is where requests are listened for`,
    hint: () => "give [admin] a port of its own",
    meaning: "Metrics and probes are answered on another port than requests.",
    example: `${SERVER}[admin]\nlisten = "0.0.0.0:8080"`,
    remedy: "Choose another port.",
    corrected: `${SERVER}[admin]\nlisten = "127.0.0.1:9090"`,
  }),
  "admin/exposed": entry<{ value: string }>({
    severity: "warning",
    message: ({ value }) => `${value} tells everybody who can reach it what is served`,
    hint: () => 'listen on "127.0.0.1", or let a firewall see to it',
    meaning:
      "Metrics, upstream addresses and the names of routes are answered to whoever asks. That is meant for the machine itself, or for a network that only monitoring is in.",
    example: `${SERVER}[admin]\nlisten = "0.0.0.0:9090"`,
    remedy: "Listen on the loopback interface, or let only the monitoring reach the port.",
    corrected: `${SERVER}[admin]\nlisten = "127.0.0.1:9090"`,
  }),
};
