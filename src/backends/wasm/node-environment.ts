import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type Transferable as NodeTransferable, Worker } from "node:worker_threads";
import { BackendUnavailableError } from "../../errors.ts";
import { physicalCores } from "../kernels/physical-cores.ts";
import type { Environment } from "./environment.ts";
import type { Reply } from "./thread.ts";
import { serveModule } from "./thread.ts";

/** build/wasm/ of the package or checkout: src/backends/wasm/ and dist/backends/wasm/ lie equally deep. */
const moduleFile = (name: string) => new URL(`../../../build/wasm/${name}.wasm`, import.meta.url);

/** Why there is no wasm backend here, or null. */
export function wasmProblem(): BackendUnavailableError | null {
  if (existsSync(moduleFile("wasm-threads"))) return null;
  return new BackendUnavailableError("wasm", "its modules are not built; `npm run build:wasm` builds them");
}

export function nodeEnvironment(): Environment {
  return {
    threads: physicalCores(),
    sharedMemory: true,
    readModule: async (name) => {
      const problem = wasmProblem();
      if (problem !== null) throw problem;
      return readFile(moduleFile(name));
    },
    startThread: (onReply, onEnd) => {
      const program = `(${serveModule})(require("node:worker_threads").parentPort)`;
      const worker = new Worker(program, { eval: true, env: {}, execArgv: [] });
      worker.on("message", (reply: Reply) => onReply(reply));
      worker.on("error", (error) => onEnd(error.message));
      worker.on("exit", () => onEnd("its thread ended"));
      worker.unref();
      return {
        post: (message, transfer = []) => worker.postMessage(message, transfer as readonly NodeTransferable[]),
        hold: (busy) => (busy ? worker.ref() : worker.unref()),
        end: () => void worker.terminate(),
      };
    },
  };
}
