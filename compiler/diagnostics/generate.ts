// What "npm run generate" derives from the registry of codes.

import { printCodePage } from "./code-page.ts";

/** Returns the generated files, paths from the repository root. */
export function generate(): { path: string; text: string }[] {
  return [{ path: "compiler/diagnostics/CODES.md", text: printCodePage() }];
}
