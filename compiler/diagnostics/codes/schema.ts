// Codes for keys and values that the schema does not allow.

import { entry } from "../code-entry.ts";

export const schemaCodes = {
  "schema/unknown-key": entry<{ key: string; table: string }>({
    severity: "error",
    message: ({ key, table }) => `${table} has no key ${key}`,
    hint: ({ key }) => `remove ${key}, or correct its spelling`,
    meaning:
      "Every key is known to the schema. An unknown one is never ignored, because it is a " +
      "typing mistake or a setting that would not take effect.",
    example: '[server]\nlisten = "0.0.0.0:8080"\nthread = 4',
    remedy: "Correct the name: `threads = 4`. All keys are listed in `schema/REFERENCE.md`.",
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + "threads = 4",
  }),
  "schema/missing-key": entry<{ key: string; table: string }>({
    severity: "error",
    message: ({ key, table }) => `${table} needs ${key}`,
    hint: ({ key }) => `add ${key}`,
    meaning: "A key without a default is absent.",
    example: "[server]\nthreads = 4",
    remedy: 'Add the key: `listen = "0.0.0.0:8080"`.',
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + "threads = 4",
  }),
  "schema/wrong-type": entry<{ key: string; expected: string; actual: string }>({
    severity: "error",
    message: ({ key, expected, actual }) => `${key} must be ${expected}, not ${actual}`,
    hint: ({ expected }) => `write ${expected}`,
    meaning: "The value has another type than the key takes. Types are never converted.",
    example: '[server]\nlisten = "0.0.0.0:8080"\nthreads = "4"',
    remedy: "Write the value in the type asked for: `threads = 4`.",
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + "threads = 4",
  }),
  "schema/unknown-value": entry<{ key: string; value: string; allowed: string }>({
    severity: "error",
    message: ({ key, value }) => `${key} cannot be ${value}`,
    hint: ({ allowed }) => `choose one of ${allowed}`,
    meaning:
      "The key takes one of a few words, and this is none of them. Words are case-sensitive.",
    example: '[logging]\nlevel = "verbose"',
    remedy: 'Choose one of the words listed in the hint: `level = "debug"`.',
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + "[logging]\n" + 'level = "debug"',
  }),
  "schema/out-of-range": entry<{ key: string; value: string; minimum: number; maximum: number }>({
    severity: "error",
    message: ({ key, value }) => `${key} cannot be ${value}`,
    hint: ({ minimum, maximum }) => `choose a number from ${minimum} to ${maximum}`,
    meaning: "The number is outside the range of the key.",
    example: '[server]\nlisten = "0.0.0.0:8080"\nthreads = 5000',
    remedy: "Choose a number in the range named by the hint.",
    corrected: "[server]\n" + 'listen = "0.0.0.0:8080"\n' + "threads = 5",
  }),
  "schema/empty": entry<{ key: string }>({
    severity: "error",
    message: ({ key }) => `${key} is empty`,
    hint: ({ key }) => `give ${key} a value`,
    meaning: "An empty text, array or table stands where it would mean nothing.",
    example: "[upstreams.api]\nservers = []",
    remedy: 'Give it a value: `servers = ["http://127.0.0.1:8080"]`.',
    corrected: "[upstreams.api]\n" + 'servers = ["http://127.0.0.1:8080"]',
  }),
};
