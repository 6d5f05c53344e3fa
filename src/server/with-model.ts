import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";
import { MeteredModel } from "./metered-model.ts";
import type { Lease } from "./model-slot.ts";
import type { RouteContext } from "./routes/route.ts";

type ModelContext = Pick<RouteContext, "models" | "meter">;

/** Waits for the model of this name, does something with it, and keeps it loaded until that has ended. */
export async function withModel<T>(
  context: ModelContext,
  name: string | undefined,
  signal: AbortSignal,
  work: (model: ServedModel) => Promise<T> | T,
): Promise<T> {
  const { model, release } = await lease(context, name, signal);
  try {
    return await work(model);
  } finally {
    release();
  }
}

/** The same for what comes piece by piece; `next()` waits for the model too, so that a stream can be kept alive meanwhile. */
export async function* streamWithModel<T>(
  context: ModelContext,
  name: string | undefined,
  signal: AbortSignal,
  work: (model: ServedModel) => Promise<AsyncIterable<T>> | AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { model, release } = await lease(context, name, signal);
  try {
    yield* await work(model);
  } finally {
    release();
  }
}

/** The model as the caller sees it; waiting for it is a part of the time that an answer may take. */
async function lease({ models, meter }: ModelContext, name: string | undefined, signal: AbortSignal): Promise<Lease> {
  const { timeoutMs } = meter.wishes;
  if (timeoutMs === undefined) {
    const { model, release } = await models.acquire(name, signal);
    return { model: new MeteredModel(model, meter), release };
  }
  const since = performance.now();
  const timeout = AbortSignal.timeout(timeoutMs);
  const { model, release } = await models.acquire(name, AbortSignal.any([signal, timeout])).catch((error: unknown) => {
    throw error === timeout.reason ? timedOut(timeoutMs) : error;
  });
  const left = Math.max(1, Math.ceil(timeoutMs - (performance.now() - since)));
  return { model: new MeteredModel(model, { ...meter, wishes: { ...meter.wishes, timeoutMs: left } }), release };
}

function timedOut(timeoutMs: number): ApiError {
  return new ApiError(504, `the model was not loaded within the ${timeoutMs} ms that an answer may take`, {
    code: "timeout",
  });
}
