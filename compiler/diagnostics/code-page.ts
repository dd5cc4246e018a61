// Prints CODES.md: one section for each diagnostic code.

import { codes, registry } from "./registry.ts";

const MARK =
  '<!-- Generated from compiler/diagnostics/codes/. Run "npm run generate"; do not edit. -->';

const INTRO = `# Diagnostic codes

What \`zproxy check\` and \`zproxy compile\` report, by code. An error keeps the configuration from
being compiled; a warning does so with \`--deny-warnings\`. Codes are never renamed or reused.
`;

/** Returns the text of CODES.md. */
export function printCodePage(): string {
  return [MARK, "", INTRO, ...codes.map(printSection)].join("\n");
}

function printSection(code: (typeof codes)[number]): string {
  const { severity, meaning, example, remedy } = registry[code];
  return `## \`${code}\` (${severity})

${meaning}

\`\`\`toml
${example}
\`\`\`

${remedy}
`;
}
