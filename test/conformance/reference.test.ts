import { openReference } from "../../src/backends/reference/backend.ts";
import { opConformance } from "./ops.ts";

opConformance(async () => openReference());
