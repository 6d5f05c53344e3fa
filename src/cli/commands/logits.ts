import { evaluate, pagesFor } from "../../engine/evaluate.ts";
import type { NetworkRunner } from "../../engine/network-runner.ts";
import { saveFile } from "../../formats/file-sink.ts";
import { safetensorsChunks } from "../../formats/safetensors-writer.ts";
import type { TensorContent } from "../../formats/tensor-content.ts";
import type { ModelConfig } from "../../model/config.ts";
import { openModel } from "../../node.ts";
import type { DeviceBuffer } from "../../tensor/backend.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { parseTokenIds, readText } from "../input.ts";
import { withRunner } from "../loading.ts";
import { Progress } from "../progress.ts";
import { backendArg, exactNumericsArg, modelArg, threadsArg } from "../shared-args.ts";

export const logits = defineCommand({
  name: "logits",
  summary: "Write the logits of every position of a token sequence to a safetensors file",
  description:
    "The tokens are taken as they are: put BOS first where the model wants it. Tensors, all F32, with T tokens:\n" +
    "  logits      [T, vocab]\n" +
    "  hidden.<i>  [T, hidden]     with --hidden: the residual stream after block i (from 0), before the final norm\n" +
    "  mtp_logits  [T - 1, vocab]  with --mtp: row i reads tokens 0 to i + 1 and predicts token i + 2",
  args: {
    model: modelArg,
    tokens: { type: "text", value: "IDS", required: true, help: "as 1,2,3, or @FILE with such a list or a JSON array" },
    backend: backendArg,
    threads: threadsArg,
    numerics: exactNumericsArg,
    hidden: { type: "flag", help: "also the hidden state after each block" },
    mtp: { type: "flag", help: "also the logits of the (first) multi-token-prediction layer" },
    out: { type: "text", value: "FILE", required: true, help: "file to write; it is replaced when all is computed" },
  },
  examples: [
    {
      command: "deepts logits --model ./DeepSeek-V2-Lite --tokens 100000,7,8 --out l.safetensors",
      what: "three tokens",
    },
    {
      command: "deepts logits --model m.gguf --tokens @ids.json --hidden --mtp --out all.safetensors",
      what: "everything, to compare with another engine",
    },
  ],
  exits: RUN_EXITS,
  async run({ args, io, stderr, signal }) {
    const fromFile = args.tokens.startsWith("@");
    const text = fromFile ? await readText(args.tokens.slice(1), { io, signal }, "--tokens") : args.tokens;
    const { checkpoint } = await openModel(args.model);
    try {
      const { config } = checkpoint;
      const tokens = checkTokens(text, config);
      const wanted = { hidden: args.hidden, mtp: args.mtp };
      if (wanted.mtp && config.numNextnPredictLayers === 0) throw new UsageError("--mtp: this model has no MTP layer");
      const options = {
        numerics: args.numerics,
        pages: pagesFor(tokens.length),
        taps: { hidden: wanted.hidden },
        mtp: wanted.mtp,
      };
      await withRunner(checkpoint, args, options, { stderr, signal }, async (runner) => {
        const tensors = evaluatedTensors(runner, tokens, config, wanted, { stderr, signal });
        await saveFile(args.out, safetensorsChunks(tensors)).catch((error: NodeJS.ErrnoException) => {
          if (error.syscall === undefined) throw error;
          throw new UsageError(`--out: cannot write ${args.out}: ${error.message}`, { cause: error });
        });
      });
    } finally {
      await checkpoint.close();
    }
  },
});

/** @throws UsageError */
function checkTokens(text: string, { vocabSize, maxPositionEmbeddings }: ModelConfig): Int32Array {
  const ids = parseTokenIds(text, vocabSize, "--tokens");
  if (ids.length === 0) throw new UsageError("--tokens: want at least one token id");
  if (ids.length > maxPositionEmbeddings) {
    throw new UsageError(`--tokens: ${ids.length} tokens, but this model reads at most ${maxPositionEmbeddings}`);
  }
  return Int32Array.from(ids);
}

/**
 * The tensors to write. The logits, by far the largest, are computed while they are written and never held as a whole;
 * the others fill up meanwhile, so they must come after them.
 */
function evaluatedTensors(
  runner: NetworkRunner,
  tokens: Int32Array,
  { vocabSize, hiddenSize, numHiddenLayers }: ModelConfig,
  wanted: { readonly hidden: boolean; readonly mtp: boolean },
  { stderr, signal }: Pick<Invocation<unknown>, "stderr" | "signal">,
): TensorContent[] {
  const hidden = Array.from({ length: wanted.hidden ? numHiddenLayers : 0 }, (): Uint8Array[] => []);
  const mtp: Uint8Array[] = [];
  async function* logits(): AsyncGenerator<Uint8Array> {
    const progress = new Progress(stderr, "evaluating");
    for await (const step of evaluate(runner, tokens, { mtp: wanted.mtp, signal })) {
      for (const [layer, rows] of hidden.entries()) rows.push(await bytesOf(step.outputs[`hidden.${layer}`]!));
      if (step.mtp) mtp.push(await bytesOf(step.mtp.logits!));
      yield await bytesOf(step.outputs.logits!);
      progress.update(step.start + step.rows, tokens.length);
    }
    await progress.end();
  }
  const tensor = (name: string, rows: number, width: number, data: TensorContent["data"]): TensorContent => ({
    name,
    dtype: "F32",
    shape: [rows, width],
    data,
  });
  return [
    tensor("logits", tokens.length, vocabSize, logits),
    ...hidden.map((rows, layer) => tensor(`hidden.${layer}`, tokens.length, hiddenSize, () => chunks(rows))),
    ...(wanted.mtp ? [tensor("mtp_logits", tokens.length - 1, vocabSize, () => chunks(mtp))] : []),
  ];
}

async function* chunks(list: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* list;
}

/** A copy: outputs are valid until the next run only. */
async function bytesOf(buffer: DeviceBuffer): Promise<Uint8Array> {
  const values = (await buffer.read()).slice();
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
