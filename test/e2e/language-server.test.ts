// `zproxy lsp` as an editor meets it: a process, its standard streams, and messages.
// Long because all of it is about one document and the ways to ask about it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { checkSource } from "zproxy/compiler/2-check/check.ts";
import { formatToml } from "zproxy/compiler/format/format-toml.ts";
import { LspClient, type LspItem, type LspRange } from "../lib/lsp-client.ts";
import { applied, at, type Edit, marked, positionOf, sliceOf } from "../lib/lsp-text.ts";
import { withRandom } from "../lib/random.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "zproxy-lsp-"));
after(() => rmSync(FOLDER, { recursive: true }));

const URI = pathToFileURL(join(FOLDER, "config.toml")).href;

const CONFIG = `#:schema ./config.schema.json

[server]
listen = "127.0.0.1:8080"

[upstreams.api]
servers = ["http://127.0.0.1:9000"]
algorithm = "least_conn"

[path_routes."example.com"."/api/"]
type = "Proxy"
upstream = "api"

[path_routes."example.com"."/"]
path = "public/index.html"

[[tests]]
request = "GET http://example.com/api/x"
expect = { upstream = "api" }
`;

async function withServer(run: (client: LspClient) => Promise<void>, abilities?: object) {
  const client = new LspClient();
  try {
    await client.initialize(abilities);
    await run(client);
    assert.equal(await client.stop(), 0, client.stderr);
  } finally {
    client.kill();
  }
  assert.equal(client.stderr, "");
  assert.equal(client.noise, "");
}

const textDocument = { uri: URI };

test("the diagnostics of an editor are those of check, with places, links and fading", async () => {
  const cases = ["ten-mistakes", "route-unreachable", "upstream-unused", "toml-syntax"];
  await withServer(async (client) => {
    for (const name of cases) {
      const text = readFileSync(`test/golden/diagnostics/${name}/config.toml`, "utf8");
      const uri = pathToFileURL(join(FOLDER, `${name}.toml`)).href;
      client.open(uri, text);
      const found = await client.diagnostics(uri);
      const expected = checkSource({ path: "config.toml", text }).diagnostics;
      assert.ok(expected.length > 0);
      assert.deepEqual(
        found.map(({ code }) => code),
        expected.map(({ code }) => code),
      );
      for (const [index, { span, message, hint, labels = [], severity }] of expected.entries()) {
        const it = found[index]!;
        assert.equal(sliceOf(text, it.range), text.slice(span.start, span.end));
        assert.equal(it.message, `${message}\nhint: ${hint}`);
        assert.equal(it.severity, ["error", "warning", "note"].indexOf(severity) + 1);
        const related = it.relatedInformation ?? [];
        assert.deepEqual(
          related.map((place) => [place.message, sliceOf(text, place.location.range)]),
          labels.map((label) => [label.text, text.slice(label.span.start, label.span.end)]),
        );
      }
      const isFaded = found.some(({ tags }) => tags?.includes(1));
      assert.equal(isFaded, name === "route-unreachable" || name === "upstream-unused");
    }
  });
});

test("a diagnostic's link leads to its section of the page of codes", async () => {
  await withServer(async (client) => {
    client.open(URI, "[server]\nlisten = 1\n");
    const [wrong] = await client.diagnostics(URI);
    const link = new URL(wrong!.codeDescription.href);
    const page = readFileSync(link, "utf8");
    const anchors = Array.from(page.matchAll(/^#+ (.+)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    );
    assert.ok(anchors.includes(link.hash.slice(1)), link.hash);
  });
});

test("an editor that knows no other places gets them in the message", async () => {
  const text = readFileSync("test/golden/diagnostics/route-unreachable/config.toml", "utf8");
  await withServer(async (client) => {
    client.open(URI, text);
    const [found] = await client.diagnostics(URI);
    const [expected] = checkSource({ path: "config.toml", text }).diagnostics;
    assert.equal(found!.relatedInformation, undefined);
    assert.ok(found!.message.includes(expected!.labels![0]!.text), found!.message);
  }, {});
});

test("what is typed is checked, and what is closed is forgotten", async () => {
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    assert.deepEqual(await client.diagnostics(URI), []);
    const start = positionOf(CONFIG, CONFIG.indexOf("least_conn"));
    const end = { line: start.line, character: start.character + "least".length };
    client.change(URI, 2, [{ range: { start, end }, text: "most" }]);
    const [wrong] = await client.diagnostics(URI, 2);
    assert.equal(wrong!.code, "schema/unknown-value");
    client.change(URI, 3, [{ text: CONFIG }]);
    assert.deepEqual(await client.diagnostics(URI, 3), []);
    client.close(URI);
    assert.deepEqual(await client.diagnostics(URI, "closed"), []);
    assert.equal(
      await client.request("textDocument/hover", { textDocument, position: start }),
      null,
    );
  });
});

test("several documents are kept apart", async () => {
  await withServer(async (client) => {
    const uris = ["one", "two", "three"].map((name) => pathToFileURL(join(FOLDER, name)).href);
    for (const [index, uri] of uris.entries()) {
      client.open(uri, index === 1 ? CONFIG.replace("listen", "lisen") : CONFIG);
    }
    const counts = await Promise.all(
      uris.map(async (uri) => (await client.diagnostics(uri)).length),
    );
    assert.deepEqual(counts, [0, 1, 0]);
  });
});

test("a file of tests is held against the configuration beside it", async () => {
  const uri = URI.replace(/config\.toml$/, "config.test.toml");
  const text = `listen = "127.0.0.1:80"
[[tests]]
request = "GET http://example.com/api/x"
expect = { upstream = "app" }
server = 1
`;
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    await client.diagnostics(URI);
    client.open(uri, text);
    const found = await client.diagnostics(uri);
    assert.deepEqual(
      found.map(({ code, range }) => [code, sliceOf(text, range)]),
      [
        ["schema/unknown-key", "listen"],
        ["test/unknown-upstream", '"app"'],
        ["schema/unknown-key", "server"],
      ],
    );
    assert.equal(
      found[0]!.message,
      "the test file has no key listen\nhint: remove it: the file holds [[tests]] and nothing else",
    );
    const labelsAt = async (source: string, version: number): Promise<string[]> => {
      const { text: shown, position } = marked(source);
      client.change(uri, version, [{ text: shown }]);
      const at = { textDocument: { uri }, position };
      const items = (await client.request("textDocument/completion", at)) as LspItem[];
      return items.map(({ label }) => label);
    };
    const begun = await labelsAt('[[tests]]\nname = "a"\n|', 2);
    assert.ok(begun.includes("request"));
    assert.deepEqual(
      begun.filter((label) => label.startsWith("[")),
      ["[[tests]]", "[tests.expect]"],
    );
    assert.deepEqual(await labelsAt("[[|", 3), ["tests"]);
    assert.deepEqual(await labelsAt("[server]\n|", 4), ["[[tests]]", "[tests.expect]"]);
  });
});

test("TOML files of other tools are left alone", async () => {
  const foreign = {
    "Cargo.toml": '[package]\nname = "x"\nversion = "1"\n[dependencies]\n[[test]]\nname = "t"\n',
    "pyproject.toml": '[project]\nname = "x"\n[tool.black]\nline-length = 100\n[build-system]\n',
    "other.toml": "#:schema ./other.schema.json\n[server]\nport = 1\n",
  };
  await withServer(async (client) => {
    for (const [name, text] of Object.entries(foreign)) {
      const uri = pathToFileURL(join(FOLDER, name)).href;
      client.open(uri, text);
      assert.deepEqual(await client.diagnostics(uri), [], name);
    }
    const own = pathToFileURL(join(FOLDER, "own.toml")).href;
    client.open(own, `#:schema ./config.schema.json\n${foreign["Cargo.toml"]}`);
    assert.notDeepEqual(await client.diagnostics(own), []);
  });
});

async function hoverOf(client: LspClient, text: string, part: string): Promise<string> {
  const position = at(text, part);
  const found = await client.request("textDocument/hover", { textDocument, position });
  return (found as { contents: { value: string } } | null)?.contents.value ?? "";
}

test("hover explains keys, values, names and mistakes", async () => {
  const text = `${CONFIG}[logging]\nlevel = "loud"\n`;
  await withServer(async (client) => {
    client.open(URI, text);
    assert.match(await hoverOf(client, text, "listen"), /\*\*Listen\*\*[\s\S]*required/);
    const algorithm = await hoverOf(client, text, "algorithm");
    assert.match(algorithm, /default `"round_robin"`[\s\S]*"ip_hash"`: By client address/);
    assert.match(await hoverOf(client, text, '"least_conn"'), /fewest requests in flight/);
    assert.match(await hoverOf(client, text, "path_routes"), /The longest prefix wins/);
    assert.match(await hoverOf(client, text, '"example.com"'), /The routes of one host/);
    assert.match(await hoverOf(client, text, '"/api/"'), /What happens to the requests/);
    assert.match(
      await hoverOf(client, text, '"api"'),
      /servers = \["http:\/\/127\.0\.0\.1:9000"\]/,
    );
    const wrong = await hoverOf(client, text, '"loud"');
    assert.match(wrong, /\*\*schema\/unknown-value\*\*[\s\S]*```toml/);
    assert.equal(await hoverOf(client, text, "#:schema"), "");
  });
});

/** The labels offered at the mark, and each applied to the text. */
async function completed(client: LspClient, version: number, source: string) {
  const { text, position } = marked(source);
  client.change(URI, version, [{ text }]);
  const items = (await client.request("textDocument/completion", {
    textDocument,
    position,
  })) as LspItem[];
  for (const { textEdit, filterText } of items) {
    const { start, end } = textEdit.range;
    assert.equal(start.line, end.line, "an edit stays in its line");
    assert.ok(start.line === position.line && start.character <= position.character);
    assert.ok(end.character >= position.character);
    // Editors drop what does not begin like the text before the cursor.
    const typed = sliceOf(text, { start, end: position });
    if (typed.length <= 1) assert.ok(filterText.startsWith(typed) || typed === "", filterText);
  }
  const results = new Map(items.map(({ label, textEdit }) => [label, applied(text, [textEdit])]));
  return { labels: items.map(({ label }) => label), results };
}

test("completion knows the table, what it has already, and which names there are", async () => {
  mkdirSync(join(FOLDER, "public"));
  writeFileSync(join(FOLDER, "public", "index.html"), "");
  writeFileSync(join(FOLDER, "key.pem"), "");
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    let version = 1;
    const complete = (source: string) => completed(client, ++version, source);

    const keys = await complete(CONFIG.replace("algorithm", "|\nalgorithm"));
    assert.ok(keys.labels.includes("health_check"), "a key of the table");
    assert.ok(!keys.labels.includes("servers") && !keys.labels.includes("listen"));
    assert.ok(keys.labels.includes("[[tests]]") && keys.labels.includes("[logging]"));

    const begun = await complete(CONFIG.replace("algorithm =", "alg|"));
    assert.equal(begun.results.get("algorithm")?.includes("\nalgorithm = "), true);
    const assigned = await complete(CONFIG.replace("algorithm =", "alg| ="));
    assert.equal(assigned.results.get("algorithm"), CONFIG);

    const values = await complete(CONFIG.replace('"least_conn"', "|"));
    assert.deepEqual(values.labels, ['"round_robin"', '"least_conn"', '"ip_hash"']);
    const open = await complete(CONFIG.replace('"least_conn"', '"le|'));
    assert.equal(open.results.get('"least_conn"'), CONFIG);

    const names = await complete(CONFIG.replace('upstream = "api"', "upstream = |"));
    assert.deepEqual(names.labels, ['"api"']);
    assert.equal(names.results.get('"api"'), CONFIG);
    const inside = await complete(CONFIG.replace('{ upstream = "api" }', '{ upstream = "|" }'));
    assert.deepEqual(inside.labels, ['"api"']);
    assert.equal(inside.results.get('"api"'), CONFIG);

    const hosts = await complete(`${CONFIG}[path_routes.|`);
    assert.deepEqual(hosts.labels, ["example.com", "*"]);
    const paths = await complete(`${CONFIG}[path_routes."example.com".|]`);
    assert.deepEqual(paths.labels, ["/", "/api/"]);
    const wanted = await complete(CONFIG.replace("[upstreams.api]", "[upstreams.|]"));
    assert.deepEqual(wanted.labels, ["api"]);
    assert.equal(wanted.results.get("api"), CONFIG);
    const sections = await complete(`${CONFIG}[|`);
    assert.ok(sections.labels.includes("upstreams") && sections.labels.includes("tls"));
    const below = await complete(`${CONFIG}[path_routes."example.com"."/".|]`);
    assert.ok(below.labels.includes("security"));
    assert.deepEqual((await complete(`${CONFIG}[[|`)).labels, ["tls", "tests"]);

    const methods = await complete(
      `${CONFIG}[path_routes."a"."/".security]\nallowed_methods = ["GET", |]\n`,
    );
    assert.ok(methods.labels.includes('"HEAD"'));
    const booleans = await complete(`${CONFIG}[tls]\nktls_enabled = |\n`);
    assert.deepEqual(booleans.labels, ["true", "false"]);
    const files = await complete(`${CONFIG}[tls]\nkey_path = "|"\n`);
    assert.deepEqual(files.labels, ['"key.pem"', '"public/"']);
    const deeper = await complete(`${CONFIG}[host_routes."b"]\npath = "public/|"\n`);
    assert.deepEqual(deeper.labels, ['"public/index.html"']);
    const routes = await complete(`${CONFIG}[[tests]]\nexpect.route = |\n`);
    assert.ok(routes.labels.some((label) => label.includes("/api/")) && routes.labels.length === 3);

    assert.deepEqual((await complete("# a com|ment\n")).labels, []);
    assert.ok((await complete("|")).labels.includes("[server]"), "an empty document");
  });
});

const CONDITION = `${CONFIG}
[[path_routes."example.com"."/".when]]
name = "beta"
path = "beta"
if = `;

test("inside a condition, completion knows what comes next, and hover what is there", async () => {
  await withServer(async (client) => {
    let version = 1;
    client.open(URI, "");
    const after = async (condition: string) =>
      (await completed(client, ++version, `${CONDITION}${condition}\n`)).labels;
    const subjects = ["method", "client", 'header("', 'query("', 'cookie("', "not"];
    const compares = ["==", "!=", "in [", "not in ["];
    const texts = ["starts_with", "ends_with", "contains"];
    assert.deepEqual(await after("'|'"), subjects);
    assert.deepEqual(await after("'|"), subjects, "without the closing quote");
    assert.deepEqual(await after("'not (he|'"), subjects);
    assert.deepEqual(await after("'method |'"), compares);
    assert.deepEqual(await after("'client not |'"), ["in ["]);
    assert.deepEqual(await after("'header(|'"), []);
    assert.deepEqual(await after(`'header("a") |'`), [...compares, ...texts, "and", "or"]);
    assert.deepEqual(await after(`'header("a") == "1" |'`), ["and", "or"]);
    assert.deepEqual(await after(`'(method == "GET") |'`), ["and", "or"]);
    assert.deepEqual(await after(`'client in ["::1"] and |'`), subjects);
    assert.equal((await after("'method in [|'"))[0], '"GET"');
    assert.equal((await after(`"method == |"`))[0], "'GET'");
    assert.deepEqual(await after("'client in [|'"), []);
    const { results } = await completed(client, ++version, `${CONDITION}'coo|'\n`);
    assert.ok(results.get('cookie("')!.endsWith(`if = 'cookie("'\n`));

    const text = `${CONDITION}'header("x") starts_with "1" or client in ["::1"]'\n`;
    client.change(URI, ++version, [{ text }]);
    for (const [part, meaning] of [
      ["header(", /A header by name/],
      ["starts_with", /begin with this/],
      ["or client", /One of them/],
      ["client in", /client's address/],
    ] as const) {
      const place = { textDocument, position: at(text, part) };
      const hover = (await client.request("textDocument/hover", place)) as {
        contents: { value: string };
        range: LspRange;
      };
      assert.match(hover.contents.value, meaning);
      assert.equal(sliceOf(text, hover.range), /^\w+/.exec(part)![0]);
    }
  });
});

test("a new name of a host or a path reaches the tests that name the route", async () => {
  const text = CONFIG.replace(
    'expect = { upstream = "api" }',
    `expect = { upstream = "api", route = 'path_routes."example.com"."/api/"' }`,
  );
  await withServer(async (client) => {
    client.open(URI, text);
    const rename = async (part: string, newName: string) => {
      const place = { textDocument, position: at(text, part) };
      const answer = await client.request("textDocument/rename", { ...place, newName });
      const { changes } = answer as { changes: Record<string, Edit[]> };
      const renamed = applied(text, changes[URI]!);
      assert.deepEqual(checkSource({ path: "config.toml", text: renamed }).diagnostics, []);
      return renamed;
    };
    assert.equal(
      await rename('"example.com"', "www.example.org"),
      text.replaceAll('"example.com"', '"www.example.org"'),
    );
    assert.equal(await rename('"/api/"', "/v1"), text.replaceAll('"/api/"', '"/v1"'));
    assert.match(await rename('"/api/"', "/it's"), /route = "path_routes\..*it's/);
  });
});

test("without snippets, completion inserts plain text", async () => {
  await withServer(async (client) => {
    client.open(URI, "");
    for (const source of ["[upstreams.api]\n|", "|", "[server]\nlis|"]) {
      const { results } = await completed(client, 2, source);
      for (const result of results.values()) assert.doesNotMatch(result, /\$/);
    }
  }, {});
});

test("a name leads to its definition, and a new name reaches every use", async () => {
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    const definition = async (part: string) =>
      (await client.request("textDocument/definition", {
        textDocument,
        position: at(CONFIG, part),
      })) as { uri: string; range: LspRange } | null;
    const found = await definition('"api"\n');
    assert.equal(found!.uri, URI);
    assert.equal(sliceOf(CONFIG, found!.range), "api");
    assert.equal(found!.range.start.line, 5);
    const file = await definition('"public/index.html"');
    assert.equal(file!.uri, pathToFileURL(join(FOLDER, "public/index.html")).href);
    assert.equal(await definition("listen"), null);

    const position = at(CONFIG, '"api"\n');
    const places = (await client.request("textDocument/references", {
      textDocument,
      position,
      context: { includeDeclaration: true },
    })) as { range: LspRange }[];
    assert.deepEqual(
      places.map(({ range }) => sliceOf(CONFIG, range)),
      ["api", '"api"', '"api"'],
    );
    const ready = (await client.request("textDocument/prepareRename", {
      textDocument,
      position,
    })) as {
      placeholder: string;
    };
    assert.equal(ready.placeholder, "api");
    const renamed = (await client.request("textDocument/rename", {
      textDocument,
      position,
      newName: 'a "b"',
    })) as { changes: Record<string, Edit[]> };
    const text = applied(CONFIG, renamed.changes[URI]!);
    assert.deepEqual(checkSource({ path: "config.toml", text }).diagnostics, []);
    assert.equal(text.split('a \\"b\\"').length, 4);
    const elsewhere = { textDocument, position: at(CONFIG, "listen") };
    assert.equal(await client.request("textDocument/prepareRename", elsewhere), null);
  });
});

test("formatting is fmt, changes no more lines than it must, and leaves broken text alone", async () => {
  const untidy = CONFIG.replace('listen = "127', 'listen="127').replace("expect = {", "expect={");
  await withServer(async (client) => {
    client.open(URI, untidy);
    const options = { tabSize: 4, insertSpaces: true };
    const format = async () =>
      (await client.request("textDocument/formatting", { textDocument, options })) as Edit[];
    const edits = await format();
    assert.equal(applied(untidy, edits), formatToml(untidy));
    assert.equal(edits[0]!.range.start.line, 3, "the lines before the first change stay");
    client.change(URI, 2, [{ text: CONFIG }]);
    assert.deepEqual(await format(), []);
    client.change(URI, 3, [{ text: `${untidy}\n[broken` }]);
    assert.deepEqual(await format(), []);
  });
});

test("each known fix is offered where its mistake is, and mends it", async () => {
  const wrong = CONFIG.replace('upstream = "api"', 'upstream = "apii"').replace("listen", "lisetn");
  await withServer(async (client) => {
    client.open(URI, wrong);
    const range = { start: { line: 0, character: 0 }, end: positionOf(wrong, wrong.length) };
    const repair = async (where: LspRange) =>
      (await client.request("textDocument/codeAction", {
        textDocument,
        range: where,
        context: { diagnostics: [] },
      })) as { title: string; edit: { changes: Record<string, Edit[]> } }[];
    const all = await repair(range);
    assert.equal(all.length, 2);
    const text = applied(
      wrong,
      all.flatMap(({ edit }) => edit.changes[URI]!),
    );
    assert.equal(text, CONFIG);
    const one = at(wrong, "lisetn");
    assert.equal((await repair({ start: one, end: one })).length, 1);
    const none = at(wrong, "algorithm");
    assert.deepEqual(await repair({ start: none, end: none }), []);
  });
});

test("the outline lists tables", async () => {
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    const symbols = (await client.request("textDocument/documentSymbol", { textDocument })) as {
      name: string;
      detail: string;
      range: LspRange;
    }[];
    assert.deepEqual(
      symbols.map(({ name }) => name),
      [
        "server",
        "upstreams.api",
        'path_routes."example.com"."/api/"',
        'path_routes."example.com"."/"',
        "tests[0]",
      ],
    );
    assert.equal(symbols[1]!.detail, "Upstream");
    assert.match(sliceOf(CONFIG, symbols[1]!.range), /^\[upstreams\.api\][\s\S]*least_conn"$/);
  });
});

test("after random edits the server still has the editor's text", async () => {
  const pieces = [
    "[",
    "]",
    '"',
    "\n",
    " = ",
    "api",
    "é",
    "👍",
    "\r\n",
    "[server]\n",
    "#",
    "{ ",
    "",
    "''",
  ];
  await withRandom(async (random) => {
    await withServer(async (client) => {
      let text = CONFIG;
      client.open(URI, text);
      for (let version = 2; version < 60; version++) {
        const changes = Array.from({ length: random.between(1, 3) }, () => {
          // Positions between the halves of a surrogate pair or of a line end are no editor's.
          const all = [...text.matchAll(/\r\n|\n|./gu)].map(({ index }) => index);
          // The line that makes the document ours stays.
          const places = [...all.filter((it) => it > text.indexOf("\n")), text.length];
          const from = random.below(places.length);
          const start = places[from]!;
          const end = places[Math.min(from + random.below(4), places.length - 1)]!;
          const range = { start: positionOf(text, start), end: positionOf(text, end) };
          const piece = random.pick(pieces);
          text = text.slice(0, start) + piece + text.slice(end);
          return { range, text: piece };
        });
        client.change(URI, version, changes);
        const position = positionOf(text, random.below(text.length + 1));
        for (const method of ["hover", "completion", "definition"]) {
          await client.request(`textDocument/${method}`, { textDocument, position });
        }
      }
      const last = await client.diagnostics(URI, 59);
      const expected = checkSource({ path: "config.toml", text }).diagnostics;
      assert.deepEqual(
        last.map(({ code, range }) => [code, sliceOf(text, range)]),
        expected.map(({ code, span }) => [code, text.slice(span.start, span.end)]),
        JSON.stringify(text),
      );
    });
  });
});

test("an editor that goes without a word takes the server with it", async () => {
  const client = new LspClient([]);
  await client.initialize();
  assert.equal(await client.hangUp(), 1);
});

test("requests about unknown documents and odd places are answered", async () => {
  await withServer(async (client) => {
    client.open(URI, CONFIG);
    const odd = [
      { line: 0, character: 9999 },
      { line: 9999, character: 0 },
    ];
    for (const uri of [URI, "untitled:Untitled-1", "file:///no/such/config.toml"]) {
      for (const position of odd) {
        for (const method of ["hover", "completion", "definition", "references", "prepareRename"]) {
          const params = { textDocument: { uri }, position, context: {} };
          await client.request(`textDocument/${method}`, params);
        }
      }
      await client.request("textDocument/formatting", { textDocument: { uri }, options: {} });
      await client.request("textDocument/documentSymbol", { textDocument: { uri } });
    }
    client.open("untitled:Untitled-1", '[tls]\nkey_path = ""\n');
    const position = { line: 1, character: 12 };
    const params = { textDocument: { uri: "untitled:Untitled-1" }, position };
    assert.deepEqual(await client.request("textDocument/completion", params), []);
  });
});
