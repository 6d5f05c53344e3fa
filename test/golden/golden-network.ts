import type { EvaluatedRows } from "../../src/engine/evaluate.ts";
import { evaluate, pagesFor } from "../../src/engine/evaluate.ts";
import { NetworkRunner } from "../../src/engine/network-runner.ts";
import { sequenceRows } from "../../src/engine/sequence-rows.ts";
import type { Checkpoint } from "../../src/model/checkpoint.ts";
import { isMoeLayer } from "../../src/model/config.ts";
import type { Backend, DeviceBuffer } from "../../src/tensor/backend.ts";
import { ROW_PROMPT } from "../../src/tensor/backend.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { GoldenArray } from "./golden-file.ts";
import { joinRows, type Values } from "./measure.ts";
import { greedyTokens, reversedPages } from "./steps.ts";

/** Holds a short prompt in one step and the long one in several. */
export const MAX_ROWS = 64;

/** What is read out of a text: every output of the network by name, `mtp.` before those of the MTP layer. */
export type Reading = ReadonlyMap<string, Values>;

/** A network under test beside the golden values that it has to meet. Each text is read once. */
export class GoldenNetwork {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly golden: ReadonlyMap<string, GoldenArray>;
  readonly runner: NetworkRunner;
  readonly #backend: Backend;
  readonly #readings = new Map<string, Promise<Reading>>();
  #greedy: Promise<number[]> | null = null;

  private constructor(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    golden: ReadonlyMap<string, GoldenArray>,
    backend: Backend,
    runner: NetworkRunner,
  ) {
    this.checkpoint = checkpoint;
    this.tokenizer = tokenizer;
    this.golden = golden;
    this.runner = runner;
    this.#backend = backend;
  }

  /** Takes over checkpoint and backend: close() closes them. */
  static async load(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    golden: ReadonlyMap<string, GoldenArray>,
    backend: Backend,
  ): Promise<GoldenNetwork> {
    const lengths = [...golden.values()].filter(({ shape }) => shape.length === 1).map(({ shape }) => shape[0]!);
    const runner = await NetworkRunner.load(checkpoint, backend, {
      pages: pagesFor(Math.max(...lengths) + 32),
      maxRows: MAX_ROWS,
      taps: { hidden: true, attention: true, routes: true },
      mtp: true,
    });
    return new GoldenNetwork(checkpoint, tokenizer, golden, backend, runner);
  }

  get layers(): number {
    return this.checkpoint.config.numHiddenLayers;
  }

  /** Of logits and hidden states. Sums are f32, and rounding grows with the depth; a wrong eps in the latent norms gives 8e-4. */
  get logitTolerance(): number {
    return this.layers < 20 ? 2e-4 : 3e-4;
  }

  /** @throws Error when the golden file has no such ids */
  ids(name: string): Int32Array {
    const values = this.golden.get(name)?.values;
    if (!(values instanceof Int32Array)) throw new Error(`no ids ${name}`);
    return values;
  }

  /** Everything about the text whose ids are the golden array `name`. */
  read(name: string): Promise<Reading> {
    const known = this.#readings.get(name);
    if (known) return known;
    const reading = this.#read(this.ids(name));
    this.#readings.set(name, reading);
    return reading;
  }

  /** 32 most likely tokens after input_ids, one row a step. */
  greedy(): Promise<number[]> {
    this.#greedy ??= greedyTokens(this.runner, this.ids("input_ids"), 32);
    return this.#greedy;
  }

  /** Logits of the MTP layer for input_ids, fed with an output of the main network. Only for texts of one step. */
  async mtpFedWith(output: string): Promise<Values> {
    const ids = this.ids("input_ids");
    const hidden = (await this.read("input_ids")).get(output) as Float32Array;
    const batch = sequenceRows(ids.subarray(1), 0, ROW_PROMPT, reversedPages(ids.length));
    const width = hidden.length / ids.length;
    const { logits } = await this.runner.runMtp(batch, hidden.subarray(0, batch.tokens.length * width));
    return logits!.read();
  }

  async close(): Promise<void> {
    this.#backend.close();
    await this.checkpoint.close();
  }

  async #read(ids: Int32Array): Promise<Reading> {
    const parts = new Map<string, Values[]>();
    for await (const step of evaluate(this.runner, ids, { mtp: this.runner.hasMtp })) {
      for (const [name, buffer] of namedOutputs(step)) {
        parts.set(name, [...(parts.get(name) ?? []), await buffer.read()]);
      }
    }
    return new Map([...parts].map(([name, values]) => [name, joinRows(values)]));
  }
}

/** Layers with experts. */
export function moeLayers({ config }: Checkpoint): number[] {
  return Array.from({ length: config.numHiddenLayers }, (_, i) => i).filter((layer) => isMoeLayer(config, layer));
}

function* namedOutputs({ outputs, mtp }: EvaluatedRows): Generator<[string, DeviceBuffer]> {
  yield* Object.entries(outputs);
  for (const [name, buffer] of Object.entries(mtp ?? {})) yield [`mtp.${name}`, buffer];
}
