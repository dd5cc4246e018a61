// Loaded into every thread of a server under test: counts what its addon sends by sendfile(2), in
// the file that ZPROXY_SENDFILE_COUNT names, one line of bytes for each call.

const { appendFileSync } = require("node:fs");

const dlopen = process.dlopen.bind(process);
process.dlopen = (module, path, ...rest) => {
  dlopen(module, path, ...rest);
  if (!String(path).endsWith("zproxy.node")) return;
  const addon = module.exports;
  module.exports = {
    ...addon,
    sendfile(...args) {
      const sent = addon.sendfile(...args);
      if (sent > 0) appendFileSync(process.env.ZPROXY_SENDFILE_COUNT, `${sent}\n`);
      return sent;
    },
  };
};
