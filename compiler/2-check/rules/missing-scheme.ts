// The commonest mistake in URLs of servers: `host:port` without `http://`.

import type { Extra } from "../../diagnostics/report.ts";
import type { Span } from "../../diagnostics/span.ts";
import { withScheme } from "../values/proxy-url.ts";

/** Hint and fix for a URL that only lacks its scheme; nothing for any other. */
export function missingScheme(text: string, span: Span): Extra {
  const url = withScheme(text);
  if (url === undefined) return {};
  const quoted = JSON.stringify(url);
  return { hint: `write ${quoted}`, fix: { label: "add http://", span, text: quoted } };
}
