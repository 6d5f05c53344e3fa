import type { ApiError } from "../errors.ts";
import { errorBody, toApiError } from "./errors.ts";

export interface SseOptions {
  /** Time without an event after which a comment is sent, so that neither proxies nor clients give up. */
  readonly keepAliveMs: number;
  /** Called when the client is gone; must make a pending `events.next()` settle. */
  readonly onCancel: () => void;
  /** Called with the error that ended the stream. */
  readonly onError: (error: ApiError) => void;
}

/**
 * Answers with server-sent events, one for each string, in the framing of the HTML standard, section 9.2.
 *
 * The status is decided by the first event, or by the first keep-alive comment if that comes earlier: an error before it
 * is thrown and gets a status of its own; a later one becomes an `error` event, and the stream ends. Events are taken
 * from `events` only as fast as the client reads.
 */
export async function sse(events: AsyncIterable<string>, options: SseOptions): Promise<Response> {
  const { keepAliveMs, onCancel, onError } = options;
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let next = iterator.next();
  let first: IteratorResult<string> | null | undefined = await within(next, keepAliveMs);

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(text));
        try {
          const result = first === undefined ? await within(next, keepAliveMs) : first;
          first = undefined;
          if (result === null) send(": keep-alive\n\n");
          else if (result.done) controller.close();
          else {
            send(`data: ${result.value}\n\n`);
            next = iterator.next();
            next.catch(() => {}); // pull looks at it; until then nobody may call it unhandled
          }
        } catch (error) {
          const apiError = toApiError(error);
          onError(apiError);
          send(`event: error\ndata: ${JSON.stringify(errorBody(apiError))}\n\n`);
          controller.close();
        }
      },
      async cancel() {
        onCancel();
        next.catch(() => {});
        await iterator.return?.().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no", // nginx would collect the events
    },
  });
}

/** The result of a promise, or null when it takes longer than `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
