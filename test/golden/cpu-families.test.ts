import { openCpu } from "../../src/backends/cpu/backend.ts";
import { goldenFamilies } from "./golden-suite.ts";

await goldenFamilies(openCpu);
