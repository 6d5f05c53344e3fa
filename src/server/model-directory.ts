import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";
import type { Health } from "../protocol/health.ts";

/** Where the routes find the models they serve. */
export interface ModelDirectory {
  /** @throws ApiError 503 while loading, 500 when loading failed */
  list(): readonly ServedModel[];
  /**
   * The model that answers requests for `name`.
   * @throws ApiError 503 while loading, 500 when loading failed
   */
  find(name: string | undefined): ServedModel;
  /** Those that can answer now. */
  loaded(): readonly ServedModel[];
  health(): Health;
}

/** One model for every name: ready, or still being loaded. A failure to load is reported by the routes. */
export function singleModel(model: ServedModel | Promise<ServedModel>): ModelDirectory {
  let ready: ServedModel | null = null;
  let failure: string | null = null;
  if (model instanceof Promise) {
    model.then(
      (loaded) => {
        ready = loaded;
      },
      (error: unknown) => {
        failure = error instanceof Error ? error.message : String(error);
      },
    );
  } else ready = model;

  const get = (): ServedModel => {
    if (ready !== null) return ready;
    if (failure === null)
      throw new ApiError(503, "the model is still loading: try again soon", { code: "model_loading" });
    throw new ApiError(500, `the model could not be loaded: ${failure}`, { code: "model_failed" });
  };
  return {
    list: () => [get()],
    find: get,
    loaded: () => (ready === null ? [] : [ready]),
    health() {
      if (ready !== null) return { status: "ok", model: ready.id };
      return failure === null ? { status: "loading" } : { status: "failed", message: failure };
    },
  };
}
