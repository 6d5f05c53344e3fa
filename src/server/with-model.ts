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

/**
 * The model as the caller sees it, until the release or the signal's abort: of an answer that is gone nobody may read the
 * rest, which would hold the model for ever. Waiting for it is a part of the time that an answer may take.
 */
async function lease({ models, meter }: ModelContext, name: string | undefined, signal: AbortSignal): Promise<Lease> {
  const { timeoutMs } = meter.wishes;
  const since = performance.now();
  const timeout = timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs);
  const either = timeout === null ? signal : AbortSignal.any([signal, timeout]);
  const { model, release } = await models.acquire(name, either).catch((error: unknown) => {
    throw timeout !== null && error === timeout.reason ? timedOut(timeoutMs!) : error;
  });
  if (signal.aborted) release();
  else signal.addEventListener("abort", release, { once: true });
  const left = timeoutMs && Math.max(1, Math.ceil(timeoutMs - (performance.now() - since)));
  const wishes = left === undefined ? meter.wishes : { ...meter.wishes, timeoutMs: left };
  return { model: new MeteredModel(model, { ...meter, wishes }), release };
}

function timedOut(timeoutMs: number): ApiError {
  return new ApiError(504, `the model was not loaded within the ${timeoutMs} ms that an answer may take`, {
    code: "timeout",
  });
}
