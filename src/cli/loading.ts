import { type LoadProgress, NetworkRunner, type RunnerOptions } from "../engine/network-runner.ts";
import { type Checkpoint, storedBytes } from "../model/checkpoint.ts";
import { type LoadedModel, type LoadOptions, loadModel, openBackend } from "../node.ts";
import type { Invocation } from "./command.ts";
import { Progress } from "./progress.ts";

type Surroundings = Pick<Invocation<unknown>, "stderr" | "signal">;

/** Loads a model, says how far it is, and frees it after `use`. */
export async function withModel(
  model: string | undefined,
  options: LoadOptions,
  surroundings: Surroundings,
  use: (model: LoadedModel) => Promise<void>,
): Promise<void> {
  const loaded = await loadShowing(surroundings, (watch) => loadModel(model, { ...options, ...watch }));
  try {
    await use(loaded);
  } finally {
    await loaded.close();
  }
}

/** Loads a checkpoint's network into a backend, says how far it is, and frees both after `use`. */
export async function withRunner(
  checkpoint: Checkpoint,
  { backend: choice, threads }: { readonly backend: string; readonly threads: number | undefined },
  options: RunnerOptions,
  surroundings: Surroundings,
  use: (runner: NetworkRunner) => Promise<void>,
): Promise<void> {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const backend = await openBackend(choice, { threads, modelBytes: storedBytes(checkpoint), onNote });
  try {
    for (const note of notes) await surroundings.stderr.line(note);
    const load = (watch: Watch) => NetworkRunner.load(checkpoint, backend, { ...options, ...watch });
    const runner = await loadShowing(surroundings, load);
    try {
      await use(runner);
    } finally {
      runner.close();
    }
  } finally {
    backend.close();
  }
}

type Watch = { readonly onProgress: (progress: LoadProgress) => void; readonly signal: AbortSignal };

/** Shows the progress of `load` as long as it runs. */
export async function loadShowing<T>({ stderr, signal }: Surroundings, load: (watch: Watch) => Promise<T>): Promise<T> {
  const progress = new Progress(stderr, "loading the model");
  try {
    const onProgress = ({ loadedBytes, totalBytes }: LoadProgress) => progress.update(loadedBytes, totalBytes);
    return await load({ onProgress, signal });
  } finally {
    await progress.end();
  }
}
