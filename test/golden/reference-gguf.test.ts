import { openReference } from "../../src/backends/reference/backend.ts";
import { goldenGgufs } from "./golden-suite.ts";

await goldenGgufs(openReference);
