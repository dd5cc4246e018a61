// Says in our own words what smol-toml refused. Its error carries a place and one of some thirty
// sentences; the sentence chooses an explainer, and the text around the place does the rest.

import type { TomlError } from "smol-toml";
import type { Report } from "../diagnostics/report.ts";
import {
  explainDuplicate,
  explainHeaderEnd,
  explainKeyCharacter,
  explainKeyEnd,
} from "./syntax-key.ts";
import { type Explain, NESTING_MAX, oneCharacter, type SyntaxPlace } from "./syntax-place.ts";
import {
  explainComma,
  explainControl,
  explainDate,
  explainEscape,
  explainStray,
  explainUnclosed,
  explainValue,
} from "./syntax-value.ts";

/** Parts of smol-toml's sentences, the first that occurs decides. */
const EXPLAINERS: readonly (readonly [sentence: string, explain: Explain])[] = [
  ["illegal character in key", explainKeyCharacter],
  ["cannot find end of key", explainKeyEnd],
  ["unexpected end of key", syntax("a key is missing")],
  ["illegal empty bare key", syntax("a key is missing beside the dot")],
  ["illegal quoted key", syntax("a key cannot be in three quotes")],
  ["expected end of table array", explainHeaderEnd],
  ["trying to redefine", explainDuplicate],
  ["expected comma", explainComma],
  ["unfinished table", explainUnclosed("table", "}")],
  ["unfinished array", explainUnclosed("array", "]")],
  ["unfinished string", explainUnclosed("string", "quote")],
  ["must be followed by an end-of-line", explainStray],
  ["excessively nested", explainDepth],
  ["control characters", explainControl],
  ["escape", explainEscape],
  ["invalid date", explainDate],
  ["invalid value", explainValue],
  ["illegal leading zero", explainValue],
  ["illegal underscore", explainValue],
  ["numeric", explainValue],
];

/** Reports one error of smol-toml. */
export function reportSyntaxError(place: SyntaxPlace, error: TomlError, report: Report): void {
  const sentence = error.message.split("\n", 1)[0] ?? "";
  const found = EXPLAINERS.find(([part]) => sentence.includes(part));
  const explain = found?.[1] ?? syntax("this is not TOML");
  explain(place, report);
}

function syntax(detail: string): Explain {
  return ({ text, offset }, report) => {
    report.add("toml/syntax", oneCharacter(text, offset), { detail });
  };
}

function explainDepth({ text, offset }: SyntaxPlace, report: Report): void {
  report.add("toml/too-deep", oneCharacter(text, offset), { levels: NESTING_MAX });
}
