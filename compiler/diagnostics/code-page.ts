// Prints CODES.md: one section for each diagnostic code.

import { codes, registry } from "./registry.ts";

const MARK =
  '<!-- Generated from compiler/diagnostics/codes/. Run "npm run generate"; do not edit. -->';

const INTRO = `# Diagnostic codes

What \`zproxy check\` and \`zproxy compile\` report, by code. An error keeps the configuration from
being compiled; a warning does so in \`check --deny-warnings\`; a note never does. Codes are never
renamed or reused. Of the two fragments of each, the first has the mistake and the second has not.
`;

/** Returns the text of CODES.md. */
export function printCodePage(): string {
  return [MARK, "", INTRO, ...codes.map(printSection)].join("\n");
}

function printSection(code: (typeof codes)[number]): string {
  const { severity, meaning, example, remedy, corrected } = registry[code];
  return `## \`${code}\` (${severity})

${meaning}

\`\`\`toml
${example}
\`\`\`

${remedy}

\`\`\`toml
${corrected}
\`\`\`
`;
}
