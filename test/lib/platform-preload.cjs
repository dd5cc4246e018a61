// Loaded into a process that is to believe that it runs on another system: ZPROXY_TEST_PLATFORM, as
// process.platform calls it. esbuild would look for that system's binary, so it is told of ours.

Object.defineProperty(process, "platform", { value: process.env.ZPROXY_TEST_PLATFORM });
