import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinRows } from "../../test/golden/measure.ts";
import { openTiny } from "../../test/tiny-network.ts";
import { openReference } from "../backends/reference/backend.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { evaluate, pagesFor } from "./evaluate.ts";
import { NetworkRunner } from "./network-runner.ts";

const TEXT = Int32Array.of(0, 17, 300, 4, 4, 511, 99, 250, 33, 8, 120);

describe("reading a known text", () => {
  const backend = openReference();
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await openTiny("v3-tiny");
  });
  afterAll(async () => {
    backend.close();
    await checkpoint.close();
  });
  const load = (maxRows: number) =>
    NetworkRunner.load(checkpoint, backend, { pages: pagesFor(TEXT.length), maxRows, mtp: true });

  /** Step boundaries, logits and MTP logits of a text read in steps of `maxRows`. */
  async function read(maxRows: number, text = TEXT) {
    const runner = await load(maxRows);
    const steps: [number, number, number][] = [];
    const logits: Float32Array[] = [];
    const mtp: Float32Array[] = [];
    for await (const step of evaluate(runner, text, { mtp: true })) {
      steps.push([step.start, step.rows, step.mtpRows]);
      logits.push((await step.outputs.logits!.read()) as Float32Array);
      if (step.mtp) mtp.push((await step.mtp.logits!.read()) as Float32Array);
    }
    runner.close();
    return { steps, logits: joinRows(logits), mtp: joinRows(mtp) };
  }

  it("takes steps of the runner's size, and no MTP row for the last token", async () => {
    expect((await read(4)).steps).toEqual([
      [0, 4, 4],
      [4, 4, 4],
      [8, 3, 2],
    ]);
    expect((await read(5)).steps.at(-1)).toEqual([10, 1, 0]);
  });

  it("gives the same logits in steps of any size, of the MTP layer too", async () => {
    const whole = await read(TEXT.length);
    expect(whole.logits).toHaveLength(TEXT.length * 512);
    expect(whole.mtp).toHaveLength((TEXT.length - 1) * 512);
    for (const rows of [1, 3, 10]) {
      const parts = await read(rows);
      expect(parts.logits, `steps of ${rows}`).toEqual(whole.logits);
      expect(parts.mtp, `steps of ${rows}`).toEqual(whole.mtp);
    }
  });

  it("of no tokens takes no step", async () => {
    expect((await read(4, new Int32Array(0))).steps).toEqual([]);
  });

  it("runs the MTP layer only where it is asked for", async () => {
    const runner = await load(4);
    for await (const { mtp, mtpRows } of evaluate(runner, TEXT)) expect([mtp, mtpRows]).toEqual([null, 0]);
    runner.close();
  });

  it("stops between two steps when the signal aborts", async () => {
    const runner = await load(4);
    const abort = new AbortController();
    const starts: number[] = [];
    const reading = async () => {
      for await (const { start } of evaluate(runner, TEXT, { signal: abort.signal })) {
        starts.push(start);
        abort.abort(new Error("enough"));
      }
    };
    await expect(reading()).rejects.toThrow("enough");
    expect(starts).toEqual([0]);
    runner.close();
  });

  it("needs a page for each 32 tokens", () => {
    expect([0, 1, 32, 33, 64].map(pagesFor)).toEqual([0, 1, 1, 2, 2]);
  });
});
