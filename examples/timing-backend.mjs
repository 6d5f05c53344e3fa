// A backend from outside the tree: times every step of the one it wraps.
//
//   deepts serve --backend ./examples/timing-backend.mjs
//
// This is the file to copy for a backend of your own. DeepTS asks a module for one thing, a function `createBackend()`
// that gives an object with the five methods below (src/tensor/backend.ts is the contract, and the meaning of each op is
// in src/tensor/program.ts). Then hold it to the conformance suite: test/conformance/example-backend.test.ts shows how.
import { openReference } from "deepts";

/** @typedef {import("deepts").Backend} Backend */

/**
 * @param {{ report?: (table: string) => void }} [options] where the table goes when the backend closes; default stderr
 * @returns {Backend}
 */
export function createBackend({ report = console.error } = {}) {
  return new TimingBackend(openReference(), report);
}

/** @implements {Backend} */
class TimingBackend {
  #inner;
  #report;
  /** @type {Map<string, { steps: number, rows: number, ms: number }>} by name of the Program */
  #timings = new Map();
  /** When the last step ended: a step that waited for it is timed from then on. */
  #idleSince = 0;

  /** @param {Backend} inner @param {(table: string) => void} report */
  constructor(inner, report) {
    this.#inner = inner;
    this.#report = report;
  }

  /** What this backend can do. Callers look here, and nowhere else, before they ask for an op or a type. */
  describe() {
    const caps = this.#inner.describe();
    return { ...caps, name: "timing", device: `${caps.device}; every step is timed` };
  }

  /**
   * Called once for each weight. A backend with a layout of its own reads `source.segments` here and repacks them;
   * `uses` tells how the weight will be read.
   * @type {Backend["loadWeight"]}
   */
  async loadWeight(source, uses) {
    return this.#inner.loadWeight(source, uses);
  }

  /**
   * Memory for the latents (or keys and values) of all sequences, in pages.
   * @type {Backend["allocCache"]}
   */
  allocCache(layout, pages) {
    return this.#inner.allocCache(layout, pages);
  }

  /**
   * Called once for each Program: `program.ops` is a plain list to translate into whatever the hardware runs. Weights
   * and cache in `options` are the handles that this backend gave out.
   * @type {Backend["compile"]}
   */
  async compile(program, options) {
    const executable = await this.#inner.compile(program, options);
    return {
      scratchBytes: executable.scratchBytes,
      // One call a step. Calls may come before the last one has ended; they are carried out in their order.
      run: async (batch, inputs) => {
        const called = performance.now();
        const outputs = await executable.run(batch, inputs);
        const ended = performance.now();
        this.#count(program.name, batch.tokens.length, ended - Math.max(called, this.#idleSince));
        this.#idleSince = ended;
        return outputs;
      },
      close: () => executable.close(),
    };
  }

  /** Frees everything that was handed out. May be called twice. */
  close() {
    this.#inner.close();
    if (this.#timings.size > 0) this.#report(this.#table());
    this.#timings.clear();
  }

  /** @param {string} name @param {number} rows @param {number} ms */
  #count(name, rows, ms) {
    const sum = this.#timings.get(name) ?? { steps: 0, rows: 0, ms: 0 };
    this.#timings.set(name, { steps: sum.steps + 1, rows: sum.rows + rows, ms: sum.ms + ms });
  }

  #table() {
    const cells = [["program", "steps", "rows", "ms", "ms/step", "rows/s"]];
    for (const [name, { steps, rows, ms }] of this.#timings) {
      const perSecond = ms > 0 ? (1000 * rows) / ms : 0;
      cells.push([name, `${steps}`, `${rows}`, ms.toFixed(0), (ms / steps).toFixed(2), perSecond.toFixed(1)]);
    }
    const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    return cells.map((row) => row.map((cell, column) => cell.padStart(widths[column])).join("  ")).join("\n");
  }
}
