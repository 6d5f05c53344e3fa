import type { ApiError } from "../errors.ts";
import { type Dialect, errorBodyOf } from "./dialects.ts";
import { toApiError } from "./errors.ts";

/** An event's data, or with its name. */
export type SseEvent = string | { readonly event: string; readonly data: string };

export interface SseOptions {
  /** Time without an event after which a comment is sent, so that neither proxies nor clients give up. */
  readonly keepAliveMs: number;
  /** Called when the client is gone; must make a pending `events.next()` settle. */
  readonly onCancel: () => void;
  /** Called with the error that ended the stream. */
  readonly onError: (error: ApiError) => void;
  /** Default openai. */
  readonly dialect?: Dialect;
}

/** What keeps a silent connection open: Anthropic's clients know an event for it, the others get a comment. */
const PING: SseEvent = { event: "ping", data: '{"type": "ping"}' };
const KEEP_ALIVE = ": keep-alive\n\n";

/**
 * Answers with server-sent events in the framing of the HTML standard, section 9.2.
 *
 * The status is decided by the first event, or by the first keep-alive comment if that comes earlier: an error before it
 * is thrown and gets a status of its own; a later one becomes an `error` event, and the stream ends. Events are taken
 * from `events` only as fast as the client reads.
 */
export async function sse(events: AsyncIterable<SseEvent>, options: SseOptions): Promise<Response> {
  const { dialect = "openai", keepAliveMs, onCancel, onError } = options;
  const keepAlive = dialect === "anthropic" ? framed(PING) : KEEP_ALIVE;
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let next = iterator.next();
  let first: IteratorResult<SseEvent> | null | undefined = await within(next, keepAliveMs);

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string) => controller.enqueue(encoder.encode(text));
        try {
          const result = first === undefined ? await within(next, keepAliveMs) : first;
          first = undefined;
          if (result === null) send(keepAlive);
          else if (result.done) controller.close();
          else {
            send(framed(result.value));
            next = iterator.next();
            next.catch(() => {}); // pull looks at it; until then nobody may call it unhandled
          }
        } catch (error) {
          const apiError = toApiError(error);
          onError(apiError);
          send(framed({ event: "error", data: JSON.stringify(errorBodyOf(apiError, dialect, null)) }));
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

function framed(event: SseEvent): string {
  return typeof event === "string" ? `data: ${event}\n\n` : `event: ${event.event}\ndata: ${event.data}\n\n`;
}

/** The result of a promise, or null when it takes longer than `ms`. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
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
