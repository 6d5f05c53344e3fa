import { BackendUnavailableError } from "../../errors.ts";
import type { Backend } from "../../tensor/backend.ts";
import { KernelBackend } from "../kernels/backend.ts";
import type { Environment } from "./environment.ts";
import { KernelModule } from "./module.ts";
import { moduleNative } from "./native.ts";

export interface WasmOptions {
  /** Threads that compute. Default: the environment's; one where memory cannot be shared. */
  readonly threads?: number;
  /** wasm or wasm-relaxed. Default: the best that this engine accepts. */
  readonly target?: string;
}

export const WASM_TARGETS = ["wasm-relaxed", "wasm"] as const;
const MAX_THREADS = 64;

/**
 * The C++ kernels of kernels/cpu/ as WebAssembly, in threads of their own.
 * @throws BackendUnavailableError where the modules are not built, or the target is unknown or not accepted here
 */
export async function openWasm(environment: Environment, options: WasmOptions = {}): Promise<Backend> {
  const threads = options.threads ?? environment.threads;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new BackendUnavailableError("wasm", `threads: want 1 to ${MAX_THREADS}, got ${threads}`);
  }
  const target = options.target ?? (acceptsRelaxed() ? "wasm-relaxed" : "wasm");
  checkTarget(target);
  const shared = environment.sharedMemory && threads > 1;
  const bytes = await environment.readModule(shared ? `${target}-threads` : target);
  const module = await KernelModule.open(environment, bytes, shared ? threads : 1, shared);
  return new KernelBackend("wasm", await moduleNative(module, target, shared ? threads : 1));
}

function checkTarget(target: string): void {
  if (!WASM_TARGETS.some((known) => known === target)) {
    throw new BackendUnavailableError("wasm", `target ${target}: unknown; want one of ${WASM_TARGETS.join(", ")}`);
  }
  if (target === "wasm-relaxed" && !acceptsRelaxed()) {
    throw new BackendUnavailableError("wasm", `target ${target}: this engine has no relaxed SIMD`);
  }
}

/** Whether the engine takes relaxed SIMD: a module whose only function is `i8x16.relaxed_swizzle(splat 1, splat 2)`. */
export function acceptsRelaxed(): boolean {
  const header = [0, 97, 115, 109, 1, 0, 0, 0];
  const types = [1, 5, 1, 96, 0, 1, 123];
  const functions = [3, 2, 1, 0];
  const code = [10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];
  return WebAssembly.validate(new Uint8Array([...header, ...types, ...functions, ...code]));
}
