// Settings of the process that do not go together: workers, ports and privileges.

import { parseListenAddress } from "../values/listen-address.ts";
import { listensOf, type RuleContext } from "./rule.ts";

/** Ports below this one need a privilege. */
const UNPRIVILEGED_PORT_MIN = 1024;

export function checkWorkers({ config, locator, report }: RuleContext): void {
  const one = config.server?.threads === 1;
  if (!one || config.performance?.reuseport_balancing !== "cbpf") return;
  const labels = [{ span: locator.value(["server", "threads"]), text: "one worker" }];
  const span = locator.value(["performance", "reuseport_balancing"]);
  report.add("performance/cbpf-one-worker", span, {}, { labels });
}

export function checkPrivileges(context: RuleContext): void {
  const { config, locator, report } = context;
  const user = config.security?.drop_privileges_user;
  const path = ["security", "drop_privileges_user"];
  if (user === undefined) {
    const group = ["security", "drop_privileges_group"];
    if (locator.has(group) && !locator.has(path)) {
      report.add("security/group-without-user", locator.key(group), {});
    }
    return;
  }
  if (user === "root" || user === "0") {
    return report.add("security/keeps-root", locator.value(path), { user: JSON.stringify(user) });
  }
  const admin = config.admin?.listen;
  const listens = listensOf(context);
  if (admin !== undefined) listens.push({ text: admin, path: ["admin", "listen"] });
  for (const { text, path: place } of listens) {
    const endpoint = parseListenAddress(text);
    const port = endpoint.ok ? endpoint.value.port : 0;
    if (port === 0 || port >= UNPRIVILEGED_PORT_MIN) continue;
    const labels = [{ span: locator.value(path), text: "root is given up here" }];
    report.add("server/privileged-port", locator.value(place), { port }, { labels });
  }
}
