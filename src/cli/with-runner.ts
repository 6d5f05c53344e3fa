import { NetworkRunner, type RunnerOptions } from "../engine/network-runner.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { openBackend } from "../node.ts";
import type { Invocation } from "./command.ts";
import { Progress } from "./progress.ts";

type Options = Omit<RunnerOptions, "onProgress" | "signal">;

/** Loads a checkpoint's network into a backend while `use` runs, and frees both. */
export async function withRunner(
  checkpoint: Checkpoint,
  backendChoice: string,
  options: Options,
  { stderr, signal }: Pick<Invocation<unknown>, "stderr" | "signal">,
  use: (runner: NetworkRunner) => Promise<void>,
): Promise<void> {
  const backend = await openBackend(backendChoice);
  try {
    const progress = new Progress(stderr, "loading the model");
    const onProgress: RunnerOptions["onProgress"] = ({ loadedBytes, totalBytes }) =>
      progress.update(loadedBytes, totalBytes);
    const loading = NetworkRunner.load(checkpoint, backend, { ...options, onProgress, signal });
    const runner = await loading.finally(() => progress.end());
    try {
      await use(runner);
    } finally {
      runner.close();
    }
  } finally {
    backend.close();
  }
}
