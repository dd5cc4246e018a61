// A url's origin, read again by the runtime, is the server that the compiler lowered.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProxyUrl } from "zproxy/compiler/2-check/values/proxy-url.ts";
import { origin } from "zproxy/runtime/data/origin.ts";

const ORIGINS = [
  "http://localhost",
  "http://localhost:3000",
  "https://api.example.com",
  "https://api.example.com:80",
  "http://192.0.2.1:443",
  "http://[2001:db8::1]",
  "https://[::1]:8443",
  "http://under_score.internal:65535",
];

for (const url of ORIGINS) {
  test(url, () => {
    const parsed = parseProxyUrl(`${url}/some/path`);
    assert(parsed.ok);
    const { tls, host, port, authority } = parsed.value;
    assert.deepEqual(origin(url), {
      name: url,
      algorithm: "round_robin",
      servers: [{ tls, host, port, authority, weight: 1 }],
    });
  });
}
