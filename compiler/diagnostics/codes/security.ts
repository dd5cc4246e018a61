// Codes about [security].

import { entry } from "../code-entry.ts";

export const securityCodes = {
  "security/keeps-root": entry<{ user: string }>({
    severity: "warning",
    message: ({ user }) => `${user} is who the server is already, so nothing is dropped`,
    hint: () => 'name an unprivileged user, such as "nobody"',
    meaning: "Privileges are dropped by becoming another user. Root keeps all of them.",
    example: "[security]\n" + 'drop_privileges_user = "root"',
    remedy: "Name an unprivileged user.",
    corrected: "[security]\n" + 'drop_privileges_user = "nobody"',
  }),
  "security/group-without-user": entry({
    severity: "warning",
    message: () => "drop_privileges_group alone leaves the server running as root",
    hint: () => "add drop_privileges_user",
    meaning: "The user is what privileges hang on; another group takes little away from root.",
    example: "[security]\n" + 'drop_privileges_group = "nogroup"',
    remedy: "Name the user as well.",
    corrected:
      "[security]\n" + 'drop_privileges_user = "nobody"\n' + 'drop_privileges_group = "nogroup"',
  }),
};
