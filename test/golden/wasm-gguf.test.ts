import { it } from "vitest";
import { NO_WASM, openNodeWasm } from "../wasm-module.ts";
import { goldenGgufs } from "./golden-suite.ts";

if (NO_WASM === null) await goldenGgufs(() => openNodeWasm());
else it("the wasm backend meets the GGUF files", (t) => t.skip(NO_WASM ?? undefined));
