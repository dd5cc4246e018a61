// The comment above a proxied route in the generated text says where paths go; the program is
// asked whether they do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRequestLine, requestHead } from "zproxy/compiler/2-check/values/request-line.ts";
import { compile } from "zproxy/compiler/compile.ts";
import { decide } from "zproxy/compiler/explain/decision.ts";
import { loadProbe } from "zproxy/compiler/load-program.ts";

const PREFIXES = ["/", "/api", "/api/", "/a/b/"];
const BASES = ["", "/", "/v1", "/v1/", "/v1/x"];

test("both spellings of a prefix, and a path below it, go where the comment says", async () => {
  let asked = 0;
  for (const prefix of PREFIXES) {
    for (const base of BASES) {
      const text = `[server]
listen = "0.0.0.0:80"
[path_routes."*"."${prefix}"]
type = "Proxy"
url = "http://app:8080${base}"
`;
      const { ir, files } = compile({ path: "config.toml", text });
      assert.ok(ir !== undefined);
      const probe = await loadProbe(files, process.cwd());
      const routes = files.find(({ path }) => path === "generated/routes.ts")!.text;
      const [, comment = ""] = /^\/\/ path_routes.*\n\/\/ (.*→.*)$/m.exec(routes) ?? [];
      if (prefix === "/" && /^\/?$/.test(base)) assert.equal(comment, "");
      else assert.notEqual(comment, "");
      for (const rule of comment === "" ? [] : comment.split(", ")) {
        const [paths, url] = rule.split(" → ") as [string, string];
        for (const path of paths.split(" and ")) {
          const line = `GET http://any.test${path}`;
          const request = parseRequestLine(line);
          assert.ok(request.ok);
          const head = requestHead(request.value, []);
          const { outcome } = decide(ir, probe, { request: line, head, peer: "127.0.0.1" });
          assert.ok(outcome?.kind === "proxy");
          assert.equal(outcome.targets[0]!.url, url, line);
          asked++;
        }
      }
    }
  }
  assert.ok(asked > 40, `${asked}`);
});
