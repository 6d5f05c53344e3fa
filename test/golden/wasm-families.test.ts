import { it } from "vitest";
import { NO_WASM, openNodeWasm } from "../wasm-module.ts";
import { goldenFamilies } from "./golden-suite.ts";

if (NO_WASM === null) await goldenFamilies(() => openNodeWasm());
else it("the wasm backend meets the families", (t) => t.skip(NO_WASM ?? undefined));
