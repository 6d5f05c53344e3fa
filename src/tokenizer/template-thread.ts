import { parentPort } from "node:worker_threads";
import { serveTemplates } from "./template-server.ts";

// Entry of the thread that template-node.ts starts.
parentPort?.on(
  "message",
  serveTemplates((reply) => parentPort!.postMessage(reply)),
);
