import { it } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { goldenFamilies } from "./golden-suite.ts";

if (NO_CPU === null) await goldenFamilies(openCpu);
else it("the cpu backend meets the families", (t) => t.skip(NO_CPU ?? undefined));
