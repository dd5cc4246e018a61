// Codes about [[host_routes.HOST.when]] and [[path_routes.HOST.PREFIX.when]].

import { entry } from "../code-entry.ts";

/** A route with one other target, as the examples have it. */
function example(condition: string, rest = ""): string {
  return (
    '[path_routes."example.com"."/"]\npath = "/var/www"\n' +
    `[[path_routes."example.com"."/".when]]\nname = "beta"\nif = ${condition}\n` +
    `path = "/var/www-beta"${rest}`
  );
}

function second(name: string, condition: string): string {
  return (
    `\n[[path_routes."example.com"."/".when]]\nname = "${name}"\nif = ${condition}\n` +
    'path = "/var/www-next"'
  );
}

export const whenCodes = {
  "when/syntax": entry<{ detail: string }>({
    severity: "error",
    message: ({ detail }) => `the condition cannot be read: ${detail}`,
    hint: () => 'write tests such as header("x-beta") == "1", joined by and, or, not',
    meaning:
      "A condition is made of tests, joined by `and`, `or`, `not` and brackets. Texts stand in " +
      "double or single quotes; a TOML string in single quotes needs no escapes for the double " +
      "ones in it.",
    example: example('\'header("x-beta") = "1"\''),
    remedy: "Write what is expected in the place that is marked.",
    corrected: example('\'header("x-beta") == "1"\''),
  }),
  "when/unknown-name": entry<{ name: string; what: string }>({
    severity: "error",
    message: ({ name, what }) => `${name} is ${what} that conditions know`,
    hint: () => "correct the name",
    meaning:
      "Conditions know `method`, `client`, `header`, `query` and `cookie`, and compare them by " +
      "`==`, `!=`, `in`, `not in`, `starts_with`, `ends_with` and `contains`.",
    example: example('\'headers("x-beta") == "1"\''),
    remedy: "Use one of the names.",
    corrected: example('\'header("x-beta") == "1"\''),
  }),
  "when/wrong-use": entry<{ detail: string }>({
    severity: "error",
    message: ({ detail }) => detail,
    hint: () => "write it as the examples of [[...when]] show",
    meaning:
      "`method` and `client` are always there and have no name, so they are compared: " +
      '`method == "POST"`, `client in ["10.0.0.0/8"]`. `header`, `query` and `cookie` have a ' +
      "name in brackets, and may stand alone. `in` and `not in` take a list, all else one text.",
    example: example("'method in \"POST\"'"),
    remedy: "Write a list behind `in`, a name behind `header`, `query` and `cookie`.",
    corrected: example('\'method in ["POST", "PUT"]\''),
  }),
  "when/invalid-name": entry<{ kind: string; name: string; reason: string }>({
    severity: "error",
    message: ({ kind, name, reason }) => `the ${kind} ${name} cannot be compared: ${reason}`,
    hint: () => "compare something else",
    meaning:
      "Some headers are about the connection, or say where a request comes from, which anybody " +
      "may claim; a condition on them would not mean what it seems to. Others cannot be sent.",
    example: example('\'header("x-forwarded-for") == "10.1.2.3"\''),
    remedy: "Compare `client`, which `server.trusted_proxies` makes the address of the client.",
    corrected: example("'client == \"10.1.2.3\"'"),
  }),
  "when/invalid-text": entry<{ text: string; reason: string }>({
    severity: "error",
    message: ({ text, reason }) => `nothing is compared with ${text}: ${reason}`,
    hint: () => "correct the text",
    meaning:
      "No request can have such a value, or every one has, so the comparison would decide nothing.",
    example: example('\'cookie("beta") == "a;b"\''),
    remedy: "Write a text that the value may have.",
    corrected: example('\'cookie("beta") == "a"\''),
  }),
  "when/duplicate-name": entry<{ name: string; reason: string }>({
    severity: "error",
    message: ({ name, reason }) => `the target ${name} ${reason}`,
    hint: () => "choose another name",
    meaning:
      "Explanations, logs and metrics call a target by its name, and `none` is the route's own.",
    example: example("'cookie(\"beta\")'", second("beta", "'cookie(\"next\")'")),
    remedy: "Give each target of a route a name of its own.",
    corrected: example("'cookie(\"beta\")'", second("next", "'cookie(\"next\")'")),
  }),
  "when/never-true": entry<{ name: string; condition: string }>({
    severity: "warning",
    message: ({ name, condition }) => `no request meets ${condition}, so ${name} is never used`,
    hint: () => "look for parts that contradict each other, perhaps an and that should be an or",
    meaning: "The condition contradicts itself.",
    example: example('\'method == "GET" and method == "POST"\''),
    remedy: "Correct the condition, or remove the target.",
    corrected: example('\'method == "GET" or method == "POST"\''),
  }),
  "when/always-true": entry<{ name: string; condition: string }>({
    severity: "warning",
    message: ({ name, condition }) => `every request meets ${condition}, so all go to ${name}`,
    hint: () => "write the target in the route itself, or correct the condition",
    meaning:
      "The route's own target, and the targets of later conditions, are never used: a condition " +
      "such as `a != b or a != c` is true of everything.",
    example: example('\'method != "GET" or method != "POST"\''),
    remedy: "Correct the condition; mostly the `or` should be an `and`.",
    corrected: example('\'method != "GET" and method != "POST"\''),
  }),
  "when/covered": entry<{ name: string; earlier: string }>({
    severity: "warning",
    message: ({ name, earlier }) =>
      `${name} is never used: its requests are all taken by ${earlier}`,
    hint: () => "move it above, or narrow what comes first",
    meaning:
      "Conditions are asked in the order in which they are written; the first that holds wins.",
    example: example("'cookie(\"beta\")'", second("two", '\'cookie("beta") == "2"\'')),
    remedy: "Put the narrower condition first.",
    corrected:
      '[path_routes."example.com"."/"]\npath = "/var/www"' +
      second("two", '\'cookie("beta") == "2"\'') +
      second("beta", "'cookie(\"beta\")'"),
  }),
  "when/refused-before": entry<{ name: string; list: string }>({
    severity: "warning",
    message: ({ name, list }) => `${name} is never used: ${list} refuses all of its requests`,
    hint: ({ list }) => `let some of them in by ${list}, or remove the target`,
    meaning:
      "A route's checks come before its conditions, so a request that they refuse reaches no " +
      "target. What a condition asks for is among what the checks refuse.",
    example: example(
      "'method == \"POST\"'",
      '\n[path_routes."example.com"."/".security]\nallowed_methods = ["GET"]',
    ),
    remedy: "Let the requests in, or remove the target.",
    corrected: example(
      "'cookie(\"beta\")'",
      '\n[path_routes."example.com"."/".security]\nallowed_methods = ["GET"]',
    ),
  }),
  "when/nothing-left": entry({
    severity: "warning",
    message: () => "the route's own target is never used: its conditions take every request",
    hint: () => "make the target of the last condition the route's own",
    meaning:
      "Each condition leaves some requests to the route's own target, but together they leave none.",
    example: example("'method == \"GET\"'", second("rest", "'method != \"GET\"'")),
    remedy: "The target for what is left belongs into the route itself.",
    corrected: example("'method == \"GET\"'"),
  }),
  "when/too-many-comparisons": entry<{ count: number; max: number }>({
    severity: "error",
    message: ({ count, max }) => `the condition makes ${count} comparisons, more than ${max}`,
    hint: () => "compare what the texts have in common, or use several targets",
    meaning:
      "A request that meets none of them is compared with each text of the condition, one after " +
      "the other. A list behind `client` is searched, and counts as one.",
    example: example('\'cookie("user") in ["beta-1", "beta-2", and so on]\''),
    remedy:
      "Compare what the texts have in common, with `starts_with` for example, or give the target " +
      "a second condition under another name. Long lists are better kept by the server behind.",
    corrected: example('\'cookie("user") starts_with "beta-"\''),
  }),
  "when/too-many-cases": entry({
    severity: "warning",
    message: () => "the conditions have too many cases to find out whether each can be met",
    hint: () => "take the route apart, or its conditions",
    meaning:
      "The requests are routed as written, but what never happens is not told, and `zproxy diff` " +
      "cannot tell the requests apart that these conditions do.",
    example: manyCases(),
    remedy: "Fewer alternatives in one route keep it readable for people as well.",
    corrected: example('\'header("a") in ["1", "2"]\''),
  }),
};

/** Alternatives that all contradict the last one, which is found out by trying each with each. */
function manyCases(): string {
  const letters = Array.from({ length: 16 }, (_, at) => String.fromCharCode(97 + at));
  const pairs = letters.map((it) => `(header("${it}") == "1" or header("${it}") == "2")`);
  const none = letters.map((it) => `not header("${it}")`).join(" or ");
  return example(`'''\n${pairs.join(" and\n")} and\n(${none})'''`);
}
