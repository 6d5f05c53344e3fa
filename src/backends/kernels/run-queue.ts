/** What the threads of a backend do now; the next starts when it has ended. */
export interface RunQueue {
  tail: Promise<unknown>;
}

/** Does `work` when all that was asked for before has ended. */
export function takeTurn<T>(queue: RunQueue, work: () => Promise<T>): Promise<T> {
  // The very promise that the queue has a handler on: a run that nobody waits for may be ended by close() without noise.
  const turn = queue.tail.then(work);
  queue.tail = turn.catch(() => undefined);
  return turn;
}
