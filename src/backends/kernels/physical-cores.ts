import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

const LINUX_CPUS = "/sys/devices/system/cpu";

/** Cores that compute apart from one another: two threads of one core share its multipliers. At most what this process may use. */
export function physicalCores(): number {
  return Math.max(1, Math.min(availableParallelism(), countCores() ?? Number.POSITIVE_INFINITY));
}

/** Cores by Linux's account, or null where there is none. */
function countCores(): number | null {
  try {
    const cpus = readdirSync(LINUX_CPUS).filter((name) => /^cpu\d+$/.test(name));
    const cores = cpus.map((cpu) => readFileSync(`${LINUX_CPUS}/${cpu}/topology/thread_siblings_list`, "utf8"));
    return new Set(cores).size || null;
  } catch {
    return null;
  }
}
