import { BackendUnavailableError } from "../../errors.ts";
import type { Backend } from "../../tensor/backend.ts";
import { KernelBackend } from "../kernels/backend.ts";
import type { Environment } from "./environment.ts";
import { KernelModule } from "./module.ts";
import { moduleNative } from "./native.ts";

export interface WasmOptions {
  /** Threads that compute. Default: the environment's; one where memory cannot be shared. */
  readonly threads?: number;
  /** One of WASM_TARGETS. Default: the best that this engine accepts and `modelBytes` allow. */
  readonly target?: string;
  /** What the weights take as they are stored. Default: so little that 32-bit addresses reach them. */
  readonly modelBytes?: number;
}

/** By the names of their modules; wasm64 has relaxed SIMD too. */
export const WASM_TARGETS = ["wasm-relaxed", "wasm", "wasm64"] as const;
type WasmTarget = (typeof WASM_TARGETS)[number];

const MAX_THREADS = 64;
/** Larger models get 64-bit addresses, by which every access is checked. The last of the 4 GiB is for all but weights. */
const MOST_BYTES_32 = 3 * 2 ** 30;

/**
 * The C++ kernels of kernels/cpu/ as WebAssembly, in threads of their own.
 * @throws BackendUnavailableError where the modules are not built, the target is unknown or not accepted here, or the model is
 * too large for what this engine accepts
 */
export async function openWasm(environment: Environment, options: WasmOptions = {}): Promise<Backend> {
  const threads = options.threads ?? environment.threads;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new BackendUnavailableError("wasm", `threads: want 1 to ${MAX_THREADS}, got ${threads}`);
  }
  const target = options.target === undefined ? bestTarget(options.modelBytes ?? 0) : checkTarget(options.target);
  const shared = environment.sharedMemory && threads > 1;
  const bytes = await environment.readModule(shared ? `${target}-threads` : target);
  const working = shared ? threads : 1;
  const addressBits = target === "wasm64" ? 64 : 32;
  const module = await KernelModule.open(environment, bytes, { threads: working, shared, addressBits });
  return new KernelBackend("wasm", await moduleNative(module, target, working));
}

function bestTarget(modelBytes: number): WasmTarget {
  if (modelBytes > MOST_BYTES_32 && problemOf("wasm64") === null) return "wasm64";
  if (modelBytes > 2 ** 32) {
    const size = `${(modelBytes / 2 ** 30).toFixed(1)} GiB`;
    throw new BackendUnavailableError(
      "wasm",
      `weights of ${size} are more than 32 bits reach, and ${problemOf("wasm64")}`,
    );
  }
  return problemOf("wasm-relaxed") === null ? "wasm-relaxed" : "wasm";
}

function checkTarget(name: string): WasmTarget {
  const target = WASM_TARGETS.find((known) => known === name);
  if (target === undefined) {
    throw new BackendUnavailableError("wasm", `target ${name}: unknown; want one of ${WASM_TARGETS.join(", ")}`);
  }
  const problem = problemOf(target);
  if (problem !== null) throw new BackendUnavailableError("wasm", `target ${name}: ${problem}`);
  return target;
}

/** Why a target cannot run here, or null. */
export function problemOf(target: WasmTarget): string | null {
  if (target !== "wasm" && !acceptsRelaxed()) return "this engine has no relaxed SIMD";
  return target === "wasm64" && !acceptsMemory64() ? "this engine has no Memory64" : null;
}

const HEADER = [0, 97, 115, 109, 1, 0, 0, 0];

/** Whether the engine takes relaxed SIMD: a module whose only function is `i8x16.relaxed_swizzle(splat 1, splat 2)`. */
function acceptsRelaxed(): boolean {
  const types = [1, 5, 1, 96, 0, 1, 123];
  const functions = [3, 2, 1, 0];
  const code = [10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];
  return WebAssembly.validate(new Uint8Array([...HEADER, ...types, ...functions, ...code]));
}

/** Whether it takes Memory64: a module with nothing but a memory of one page and 64-bit addresses. */
function acceptsMemory64(): boolean {
  return WebAssembly.validate(new Uint8Array([...HEADER, 5, 3, 1, 4, 1]));
}
