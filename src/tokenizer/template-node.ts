import { Worker } from "node:worker_threads";
import type { StartTemplateThread } from "./template-worker.ts";

/**
 * Threads of Node for TemplateWorker.
 * @param memoryLimit megabytes of heap that the thread may use
 */
export function nodeTemplateThread(memoryLimit = 128): StartTemplateThread {
  return (onReply, onEnd) => {
    // From sources the thread is a TypeScript file too; in the bundle it is an entry of its own beside this file.
    const entry = import.meta.url.endsWith(".ts") ? "./template-thread.ts" : "./template-thread.mjs";
    const thread = new Worker(new URL(entry, import.meta.url), {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryLimit, maxYoungGenerationSizeMb: 32 },
    });
    thread.on("message", onReply);
    thread.on("error", (error: Error & { code?: string }) =>
      onEnd(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? `needs more than ${memoryLimit} MB of memory`
          : `the rendering thread failed: ${error.message}`,
      ),
    );
    thread.on("exit", () => onEnd("the rendering thread ended"));
    return {
      post: (request) => thread.postMessage(request),
      hold: (busy) => (busy ? thread.ref() : thread.unref()),
      end: () => thread.terminate(),
    };
  };
}
