// Codes for text that is not TOML.

import { entry } from "../code-entry.ts";

export const tomlCodes = {
  "toml/syntax": entry<{ detail: string }>({
    severity: "error",
    message: ({ detail }) => detail,
    hint: () => "write key = value, or [table] for a table",
    meaning:
      "The text is not TOML, in a way that has no code of its own. The file is read as TOML, so " +
      "nothing can be said about the rest before this is put right.",
    example: '[]\nlisten = "0.0.0.0:8080"',
    remedy: 'Correct the text at the place shown: `[server]`, then `listen = "0.0.0.0:8080"`.',
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"',
  }),
  "toml/unquoted-string": entry<{ value: string }>({
    severity: "error",
    message: ({ value }) => `${value} is text and needs quotes`,
    hint: ({ value }) => `write "${value}"`,
    meaning:
      "A value that is neither a number, true, false, a date, an array nor a table is text, " +
      "and text is written in quotes.",
    example: "[logging]\nlevel = info",
    remedy: 'Put the value in quotes: `level = "info"`.',
    corrected: "[logging]\n" + 'level = "info"',
  }),
  "toml/bad-value": entry<{ detail: string }>({
    severity: "error",
    message: ({ detail }) => detail,
    hint: () => "write a number without a leading zero and units, or put text in quotes",
    meaning: "A value is missing, or it looks like a number or a date but is not one.",
    example: "[server]\nthreads = 04",
    remedy:
      "Write the plain number: `threads = 4`. Sizes are in bytes, times in the unit of the " +
      "key's name.",
    corrected: "[server]\n" + "threads = 4",
  }),
  "toml/missing-equals": entry<{ text: string }>({
    severity: "error",
    message: ({ text }) => `no "=" after ${text}`,
    hint: () => "write key = value, or [table] for a table",
    meaning: "A line that is not a table header is a key, an equals sign and a value.",
    example: '[server]\nlisten "0.0.0.0:8080"',
    remedy: 'Add the equals sign: `listen = "0.0.0.0:8080"`.',
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"',
  }),
  "toml/bad-key": entry<{ character: string }>({
    severity: "error",
    message: ({ character }) => `${character} cannot stand in a key without quotes`,
    hint: () => "put names with other characters than letters, digits, _ and - in quotes",
    meaning:
      "A key without quotes consists of letters, digits, `_` and `-`; a dot separates two keys. " +
      "Host names and paths therefore need quotes.",
    example: "[host_routes.*.example.com]",
    remedy: 'Quote the name: `[host_routes."*.example.com"]`.',
    corrected: '[host_routes."*.example.com"]\npath = "/var/www"',
  }),
  "toml/duplicate": entry<{ name: string }>({
    severity: "error",
    message: ({ name }) => `${name} is defined twice`,
    hint: () => "merge the two, or rename one of them",
    meaning: "A table or a key may be written once only. The second would hide the first.",
    example: '[server]\nlisten = "0.0.0.0:80"\nlisten = "0.0.0.0:8080"',
    remedy:
      'Keep one. For several addresses write an array: `listen = ["0.0.0.0:80", "0.0.0.0:8080"]`.',
    corrected: "[server]\n" + 'listen = ["0.0.0.0:80", "0.0.0.0:8080"]',
  }),
  "toml/unclosed": entry<{ what: string; mark: string }>({
    severity: "error",
    message: ({ what }) => `this ${what} does not end`,
    hint: ({ mark }) => `add the closing ${mark}`,
    meaning: "A string, an array, a table or a header was opened and not closed.",
    example: '[logging]\nlevel = "info',
    remedy: 'Add the closing mark: `level = "info"`.',
    corrected: "[logging]\n" + 'level = "info"',
  }),
  "toml/missing-comma": entry({
    severity: "error",
    message: () => "a comma or a closing bracket is missing",
    hint: () => "separate the values with commas",
    meaning: "The items of an array or of an inline table are separated by commas.",
    example: '[server]\nlisten = ["0.0.0.0:80" "0.0.0.0:81"]',
    remedy: 'Add the comma: `["0.0.0.0:80", "0.0.0.0:81"]`.',
    corrected: "[server]\n" + 'listen = ["0.0.0.0:80", "0.0.0.0:81"]',
  }),
  "toml/stray-text": entry<{ text: string }>({
    severity: "error",
    message: ({ text }) => `${text} follows a finished value`,
    hint: () => "start a new line, or put # before a comment",
    meaning: "After a value or a table header, the line may only hold a comment.",
    example: '[server]\nthreads = 4 # ok\n[logging] level = "info"',
    remedy: "Write each key on a line of its own; put `#` before a comment.",
    corrected: "[server]\n" + "threads = 4 # ok\n" + "[logging]\n" + 'level = "info"',
  }),
  "toml/bad-escape": entry<{ text: string }>({
    severity: "error",
    message: ({ text }) => `${text} is not an escape of TOML`,
    hint: () => "write \\\\ for a backslash, or put the text in single quotes",
    meaning:
      'In double quotes a backslash starts an escape: `\\"`, `\\\\`, `\\n`, `\\t`, `\\u00E9` ' +
      "and a few more.",
    example: '[logging]\nfile_path = "C:\\logs"',
    remedy: "Double the backslash, or use single quotes: `'C:\\logs'`.",
    corrected: "[logging]\n" + "file_path = 'C:\\logs'",
  }),
  "toml/control-character": entry<{ character: string }>({
    severity: "error",
    message: ({ character }) => `the control character ${character} is not allowed here`,
    hint: () => "remove it; in a string in double quotes write it as an escape",
    meaning:
      "Control characters other than tab and line ends are not allowed in strings and " +
      "comments. They usually come from a paste.",
    example: "# a comment with an invisible \\u0001 in it",
    remedy: "Remove the character, or write it as `\\u0001` in a string.",
    corrected: "# a comment without it",
  }),
  "toml/too-deep": entry<{ levels: number }>({
    severity: "error",
    message: ({ levels }) => `arrays and tables are nested more than ${levels} levels deep`,
    hint: () => "nest less; no key needs more than a few levels",
    meaning: "Nesting is limited so that a hostile file cannot exhaust the stack.",
    example: "x = [[[[[[[[ and so on ]]]]]]]]",
    remedy: "No key of a configuration needs more than four levels.",
    corrected: "[server]\n" + 'listen = ["0.0.0.0:80"]',
  }),
};
