// Replays every case of this folder's Markdown files against the runtime on the simulated kernel.

import { describeConformance } from "../lib/conformance-suite.ts";
import { SimulatedEngine } from "../simulation/conformance-engine.ts";

describeConformance("conformance, simulated", () => SimulatedEngine.start());
