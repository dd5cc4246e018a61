// Replays every case of this folder's Markdown files against the shipped server.

import { ServerEngine } from "../lib/conformance-server.ts";
import { describeConformance } from "../lib/conformance-suite.ts";

describeConformance("conformance", () => ServerEngine.start());
