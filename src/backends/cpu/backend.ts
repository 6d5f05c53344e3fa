import { BackendUnavailableError } from "../../errors.ts";
import type { Backend } from "../../tensor/backend.ts";
import { KernelBackend } from "../kernels/backend.ts";
import { physicalCores } from "../kernels/physical-cores.ts";
import { type Addon, loadAddon, openAddon } from "./addon.ts";

export interface CpuOptions {
  /** Threads that compute. Default: the physical cores that this process may use. */
  readonly threads?: number;
  /** Instruction set by name (scalar, avx2, avx512). Default: DEEPTS_CPU_TARGET, else the best this CPU has. */
  readonly target?: string;
}

const MAX_THREADS = 256;

/**
 * The C++ kernels of kernels/cpu/ as machine code, on threads of their own.
 * @throws BackendUnavailableError where the addon cannot be loaded, or the target is unknown or cannot run here
 */
export function openCpu(options: CpuOptions = {}): Backend {
  const threads = threadsOf(options);
  const addon = loadAddon();
  const target = options.target ?? (process.env.DEEPTS_CPU_TARGET || null);
  if (target !== null) checkTarget(addon, target);
  return new KernelBackend("cpu", openAddon(addon, threads, target));
}

/** @throws BackendUnavailableError */
export function threadsOf({ threads = physicalCores() }: Pick<CpuOptions, "threads">): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw new BackendUnavailableError("cpu", `threads: want 1 to ${MAX_THREADS}, got ${threads}`);
}

/** Why there is no cpu backend on this machine, or null. A wrong target or number of threads is the caller's, and not in here. */
export function nativeProblem(): BackendUnavailableError | null {
  try {
    loadAddon();
    return null;
  } catch (error) {
    if (error instanceof BackendUnavailableError) return error;
    throw error;
  }
}

/** Instruction sets of the build, the best first, and whether this CPU runs them. @throws BackendUnavailableError */
export function cpuTargets(): readonly { readonly name: string; readonly runs: boolean }[] {
  return loadAddon().targets();
}

function checkTarget(addon: Addon, target: string): void {
  const targets = addon.targets();
  const found = targets.find(({ name }) => name === target);
  if (found?.runs) return;
  const why = found ? "this CPU cannot run it" : "unknown";
  const runnable = targets.filter(({ runs }) => runs).map(({ name }) => name);
  throw new BackendUnavailableError(
    "cpu",
    `target ${target} (DEEPTS_CPU_TARGET): ${why}; want one of ${runnable.join(", ")}`,
  );
}
