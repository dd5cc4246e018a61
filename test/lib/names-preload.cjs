// Loaded into a server under test: names resolve to what the file ZPROXY_NAMES says, as JSON of
// names to addresses, and any other name does not; and half a minute is a fifth of a second.

const { readFileSync } = require("node:fs");
const dns = require("node:dns/promises");

const REFRESH_MS = 30_000;
const SHORT_MS = 200;

dns.lookup = async (host) => {
  const addresses = JSON.parse(readFileSync(process.env.ZPROXY_NAMES, "utf8"))[host];
  if (addresses === undefined) throw Object.assign(new Error(host), { code: "ENOTFOUND" });
  return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
};

const { setInterval } = globalThis;
globalThis.setInterval = (run, ms, ...rest) =>
  setInterval(run, ms === REFRESH_MS ? SHORT_MS : ms, ...rest);
