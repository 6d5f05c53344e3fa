import { parentPort, workerData } from "node:worker_threads";
import { openBigStep } from "./big-step.ts";

// A thread that goes away in the middle of a step: by its own exit, or by its parent's terminate().
const { run } = await openBigStep();
void run();
if (workerData === "exit") process.exit(0);
parentPort!.postMessage("running");
await new Promise(() => {});
