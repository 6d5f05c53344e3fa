import { openWasm, type WasmOptions } from "../src/backends/wasm/backend.ts";
import { KernelModule } from "../src/backends/wasm/module.ts";
import { nodeEnvironment, wasmProblem } from "../src/backends/wasm/node-environment.ts";
import { missing } from "./skip.ts";

/** Why the tests of the wasm backend are skipped, or null. */
export const NO_WASM = wasmProblem() === null ? null : missing("the WebAssembly modules (npm run build:wasm)");

export const openNodeWasm = (options: WasmOptions = {}) => openWasm(nodeEnvironment(), options);

/** A module on two threads whose memory can be asked for. */
export async function openNodeModule(target: "wasm" | "wasm64"): Promise<KernelModule> {
  const environment = nodeEnvironment();
  const bytes = await environment.readModule(`${target}-threads`);
  const addressBits = target === "wasm64" ? 64 : 32;
  return KernelModule.open(environment, bytes, { threads: 2, shared: true, addressBits });
}
