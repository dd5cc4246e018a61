// Changes the keys of session tickets now and then, so that a key that gets out opens the sessions
// of hours and not of months.

import type { Addon } from "../native.ts";

/** As long as a session lives: see ZP_TLS_SESSION_SECS of native/tls-tickets.h. A test hurries. */
const CHANGE_MS = Number(process.env.ZPROXY_TEST_TICKET_MS ?? 7_200_000);

/** For the life of the process, whatever programs it runs. `sayProblem` takes a sentence. */
export function changeTicketKeysRegularly(addon: Addon, sayProblem: (text: string) => void): void {
  const change = () => {
    const result = addon.tlsChangeTicketKeys();
    if (result < 0) sayProblem(`the keys of session tickets stay the old ones: errno ${-result}`);
  };
  setInterval(change, CHANGE_MS).unref();
}
