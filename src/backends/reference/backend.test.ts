import { afterEach, describe, expect, it, vi } from "vitest";
import { joinRows } from "../../../test/golden/measure.ts";
import { logitsInChunks } from "../../../test/golden/steps.ts";
import { openTiny } from "../../../test/tiny-network.ts";
import { NetworkRunner } from "../../engine/network-runner.ts";
import { sequenceRows } from "../../engine/sequence-rows.ts";
import type { Backend, Batch } from "../../tensor/backend.ts";
import { ROW_GENERATED, ROW_PROMPT } from "../../tensor/backend.ts";
import { openReference } from "./backend.ts";

const TEXTS = [
  [0, 17, 300, 4, 4, 511, 99, 250, 33, 8, 120, 45, 3, 77, 201, 9, 64, 480, 31, 2, 300, 300, 12],
  [0, 5, 5, 5, 410, 22],
  [0, 333, 41, 90, 7, 7, 128, 64, 32, 16],
].map((ids) => Int32Array.from(ids));

describe("whole networks on the reference backend", () => {
  let backend: Backend;
  afterEach(() => backend.close());

  async function load(family: string, maxSeqs = 1): Promise<NetworkRunner> {
    backend = openReference();
    const checkpoint = await openTiny(family);
    const runner = await NetworkRunner.load(checkpoint, backend, { pages: 3, maxRows: 64, maxSeqs });
    await checkpoint.close();
    return runner;
  }

  it.for(["v3-tiny", "v32-tiny", "qwen2-tiny"])(
    "give the same bits in steps of any size and kind: %s",
    async (family) => {
      const runner = await load(family);
      const [text] = TEXTS as [Int32Array];
      const whole = await logitsInChunks(runner, text, text.length, ROW_PROMPT);
      for (const rows of [1, 5, 16]) {
        expect(await logitsInChunks(runner, text, rows, ROW_PROMPT), `steps of ${rows}`).toEqual(whole);
      }
      expect(await logitsInChunks(runner, text, 1, ROW_GENERATED)).toEqual(whole);
    },
  );

  it.for(["v3-tiny", "v32-tiny", "qwen2-tiny"])(
    "give the same bits alone and among other sequences: %s",
    async (family) => {
      const runner = await load(family, TEXTS.length);
      const alone: Float32Array[] = [];
      for (const text of TEXTS) alone.push(await logitsInChunks(runner, text, text.length, ROW_PROMPT));
      const { logits } = await runner.run(interleaved(TEXTS));
      expect(await logits!.read()).toEqual(joinRows(alone));
    },
  );

  it("let the event loop turn between the ops of a long step", async () => {
    const runner = await load("qwen2-tiny");
    let clock = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => (clock += 11)); // each op seems to take 11 ms
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await runner.run(sequenceRows(TEXTS[1]!, 0, ROW_PROMPT, Int32Array.of(0)));
    running = false;
    vi.restoreAllMocks();
    expect(turns).toBeGreaterThanOrEqual(runner.program.ops.length - 1);
  });

  it("leave outputs that were read untouched by the next step", async () => {
    const runner = await load("qwen2-tiny");
    const first = await runner.run(sequenceRows(TEXTS[1]!, 0, ROW_PROMPT, Int32Array.of(0)));
    const read = (await first.logits!.read()) as Float32Array;
    const copy = read.slice();
    await runner.run(sequenceRows(TEXTS[2]!, 0, ROW_PROMPT, Int32Array.of(1)));
    expect(read).toEqual(copy);
  });
});

/** All texts in one step, each a sequence of its own on its own page; sequences and pages are in different orders. */
function interleaved(texts: readonly Int32Array[]): Batch {
  const parts = texts.map((text, i) => sequenceRows(text, 0, ROW_PROMPT, Int32Array.of(texts.length - 1 - i)));
  const tokens = joinRows(parts.map((part) => part.tokens));
  return {
    tokens,
    positions: joinRows(parts.map((part) => part.positions)),
    sequences: Int32Array.from(parts.flatMap((part, i) => Array<number>(part.tokens.length).fill(i))),
    kinds: new Uint8Array(tokens.length).fill(ROW_PROMPT),
    blockTables: parts.map((part) => part.blockTables[0]!),
    logitRows: Int32Array.from(tokens.keys()),
  };
}
