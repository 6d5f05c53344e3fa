/** Milliseconds of computing after which other work of the process gets its turn. */
const BUDGET_MS = 10;

/** Lets timers, sockets and other promises run in between the ops of a long step. */
export class EventLoopTurns {
  #last = performance.now();

  async yieldWhenDue(): Promise<void> {
    if (performance.now() - this.#last < BUDGET_MS) return;
    await nextTurn();
    this.#last = performance.now();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else {
      // Browsers: a message is a task of its own, and unlike setTimeout it is not held back for 4 ms.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    }
  });
}
