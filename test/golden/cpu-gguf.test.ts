import { it } from "vitest";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { NO_CPU } from "../cpu-targets.ts";
import { goldenGgufs } from "./golden-suite.ts";

if (NO_CPU === null) await goldenGgufs(openCpu);
else it("the cpu backend meets the GGUF files", (t) => t.skip(NO_CPU ?? undefined));
