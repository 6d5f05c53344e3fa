import type {
  Backend,
  Batch,
  CacheHandle,
  Caps,
  CompileOptions,
  DeviceBuffer,
  Executable,
  Outputs,
  WeightHandle,
} from "../../src/tensor/backend.ts";
import type { CacheLayout, Op, Program, WeightUse } from "../../src/tensor/program.ts";
import type { WeightSource } from "../../src/tensor/weight.ts";

type Contents = Float32Array | Int32Array;

/** A mistake put into a sound backend: into the ops it is given, the batches, or what it returns. */
export interface Mutation {
  readonly op?: (op: Op) => readonly Op[];
  readonly batch?: (batch: Batch) => Batch;
  /** Changes the contents of an output. @param all reads any output of the same run */
  readonly output?: (name: string, values: Contents, all: (name: string) => Promise<Contents>) => Promise<void>;
}

/** A backend that makes one mistake. */
export class MutantBackend implements Backend {
  readonly #sound: Backend;
  readonly #mutation: Mutation;

  constructor(sound: Backend, mutation: Mutation) {
    this.#sound = sound;
    this.#mutation = mutation;
  }

  describe(): Caps {
    return this.#sound.describe();
  }

  loadWeight(source: WeightSource, uses: ReadonlySet<WeightUse>): Promise<WeightHandle> {
    return this.#sound.loadWeight(source, uses);
  }

  allocCache(layout: CacheLayout, pages: number): CacheHandle {
    return this.#sound.allocCache(layout, pages);
  }

  async compile(program: Program, options: CompileOptions): Promise<Executable> {
    const { op, batch: changed = (batch) => batch, output } = this.#mutation;
    const ops = op ? program.ops.flatMap(op) : program.ops;
    const sound = await this.#sound.compile({ ...program, ops }, options);
    return {
      scratchBytes: sound.scratchBytes,
      run: async (batch, inputs) => {
        const outputs = await sound.run(changed(batch), inputs);
        return output ? changedOutputs(outputs, output) : outputs;
      },
      close: () => sound.close(),
    };
  }

  close(): void {
    this.#sound.close();
  }
}

function changedOutputs(outputs: Outputs, change: NonNullable<Mutation["output"]>): Outputs {
  const all = (name: string) => outputs[name]!.read();
  const changed = Object.entries(outputs).map(([name, buffer]): [string, DeviceBuffer] => {
    const read = async () => {
      const values = await buffer.read();
      await change(name, values, all);
      return values;
    };
    return [name, { shape: buffer.shape, dtype: buffer.dtype, read }];
  });
  return Object.fromEntries(changed);
}
