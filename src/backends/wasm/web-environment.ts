import { BackendUnavailableError } from "../../errors.ts";
import type { Environment } from "./environment.ts";
import type { Reply } from "./thread.ts";
import { serveModule } from "./thread.ts";

/** @param modules URL of the folder with the modules of `npm run build:wasm`, with a slash at its end */
export function webEnvironment(modules: string | URL): Environment {
  return {
    threads: Math.max(1, Math.min(8, Math.floor((navigator.hardwareConcurrency ?? 2) / 2))),
    sharedMemory: globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === "function",
    readModule: async (name) => {
      const url = new URL(`${name}.wasm`, modules);
      const lost = (why: string, cause?: unknown) =>
        new BackendUnavailableError(
          "wasm",
          `${url}: ${why}; the folder build/wasm/ of the package must be served, and \`modules\` be its URL`,
          { cause },
        );
      const response = await fetch(url).catch((cause: Error) => {
        throw lost(cause.message, cause);
      });
      if (!response.ok) throw lost(`HTTP status ${response.status}`);
      return response.arrayBuffer();
    },
    startThread: (onReply, onEnd) => {
      const program = URL.createObjectURL(new Blob([`(${serveModule})(self)`], { type: "text/javascript" }));
      const worker = new Worker(program);
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        URL.revokeObjectURL(program);
        onReply(data);
      };
      worker.onerror = (event) => onEnd(event.message);
      return {
        post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
        hold: () => {},
        end: () => worker.terminate(),
      };
    },
  };
}
