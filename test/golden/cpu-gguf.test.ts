import { openCpu } from "../../src/backends/cpu/backend.ts";
import { goldenGgufs } from "./golden-suite.ts";

await goldenGgufs(openCpu);
