import { openReference } from "../../src/backends/reference/backend.ts";
import { goldenFamilies } from "./golden-suite.ts";

await goldenFamilies(openReference);
