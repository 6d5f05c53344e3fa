import { openCpu } from "../../src/backends/cpu/backend.ts";
import { opConformance } from "./ops.ts";

opConformance(async () => openCpu());
