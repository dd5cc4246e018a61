// The one list of diagnostic codes. A code is `area/what-is-wrong`; it is never renamed or reused,
// because people put codes into scripts and search for them.

import { adminCodes } from "./codes/admin.ts";
import { cidrCodes } from "./codes/cidr.ts";
import { configCodes } from "./codes/config.ts";
import { performanceCodes } from "./codes/performance.ts";
import { routeCodes } from "./codes/route.ts";
import { schemaCodes } from "./codes/schema.ts";
import { securityCodes } from "./codes/security.ts";
import { serverCodes } from "./codes/server.ts";
import { testCodes } from "./codes/test.ts";
import { tlsCodes } from "./codes/tls.ts";
import { tomlCodes } from "./codes/toml.ts";
import { upstreamCodes } from "./codes/upstream.ts";
import { whenCodes } from "./codes/when.ts";

export const registry = {
  ...tomlCodes,
  ...schemaCodes,
  ...configCodes,
  ...serverCodes,
  ...securityCodes,
  ...performanceCodes,
  ...adminCodes,
  ...tlsCodes,
  ...upstreamCodes,
  ...routeCodes,
  ...whenCodes,
  ...cidrCodes,
  ...testCodes,
} as const;

export type Code = keyof typeof registry;

/** The facts a code's message is made from. */
export type Params<C extends Code> = Parameters<(typeof registry)[C]["message"]>[0];

/** Every code, in the order of the page of codes. */
export const codes = Object.keys(registry) as Code[];
