/** Something that yields values until its signal aborts. */
export type Source<T> = (signal: AbortSignal) => AsyncIterable<T>;

/**
 * Runs several sources side by side and yields their values as they come, with the index of the source. When one fails,
 * the consumer stops or `signal` aborts, all are aborted.
 * @param width at most this many run at a time; the others start, in order, as those end
 */
export async function* merge<T>(
  sources: readonly Source<T>[],
  { width, signal }: { readonly width: number; readonly signal: AbortSignal },
): AsyncGenerator<{ readonly index: number; readonly value: T }> {
  const abort = new AbortController();
  const onAbort = () => abort.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);

  const running = new Map<number, AsyncIterator<T>>();
  const pending = new Map<number, Promise<{ index: number; result: IteratorResult<T> }>>();
  const advance = (index: number, iterator: AsyncIterator<T>) => {
    const result = iterator.next().then((result) => ({ index, result }));
    result.catch(() => {}); // when two fail, only one is raced for
    pending.set(index, result);
  };
  let started = 0;
  try {
    for (;;) {
      for (; running.size < width && started < sources.length; started++) {
        const iterator = sources[started]!(abort.signal)[Symbol.asyncIterator]();
        running.set(started, iterator);
        advance(started, iterator);
      }
      if (running.size === 0) return;
      const { index, result } = await Promise.race(pending.values());
      if (result.done) {
        running.delete(index);
        pending.delete(index);
      } else {
        yield { index, value: result.value };
        advance(index, running.get(index)!);
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (running.size > 0) abort.abort(signal.reason);
    await Promise.allSettled([...running.values()].map((iterator) => iterator.return?.()));
  }
}
