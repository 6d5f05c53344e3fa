import { openWasm, type WasmOptions } from "../src/backends/wasm/backend.ts";
import { nodeEnvironment, wasmProblem } from "../src/backends/wasm/node-environment.ts";
import { missing } from "./skip.ts";

/** Why the tests of the wasm backend are skipped, or null. */
export const NO_WASM = wasmProblem() === null ? null : missing("the WebAssembly modules (npm run build:wasm)");

export const openNodeWasm = (options: WasmOptions = {}) => openWasm(nodeEnvironment(), options);
