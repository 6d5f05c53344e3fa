import { evaluate, pagesFor } from "../../engine/evaluate.ts";
import { tokenLogprob } from "../../engine/logprobs.ts";
import type { NetworkRunner } from "../../engine/network-runner.ts";
import { loadText, openModel } from "../../node.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { readText } from "../input.ts";
import { withRunner } from "../loading.ts";
import { Progress } from "../progress.ts";
import { backendArg, exactNumericsArg, modelArg, threadsArg } from "../shared-args.ts";

/** Larger windows take longer and change little. */
const DEFAULT_WINDOW = 2048;

export const perplexity = defineCommand({
  name: "perplexity",
  summary: "Measure how well a model predicts a text",
  description:
    "Prints the mean negative log-likelihood (in nats) of the text's tokens and its exponential. The text is plain text\n" +
    "as it is; BOS comes first where the model wants it. A text longer than the window is read in overlapping windows,\n" +
    "each begun with an empty cache and --stride tokens after the one before; every token but the first is scored once,\n" +
    "in the first window that holds it. That is the sliding window of Hugging Face's guide; llama.cpp's perplexity cuts\n" +
    "differently and gives other numbers.",
  operands: { file: { required: true, help: "text file; - is stdin" } },
  args: {
    model: modelArg,
    backend: backendArg,
    threads: threadsArg,
    numerics: exactNumericsArg,
    ctxSize: {
      type: "integer",
      value: "TOKENS",
      min: 2,
      help: `tokens of a window; default the model's own limit, at most ${DEFAULT_WINDOW}`,
    },
    stride: { type: "integer", value: "TOKENS", min: 1, help: "default half the window" },
    json: { type: "flag", help: "print one JSON object" },
  },
  examples: [
    { command: "deepts perplexity --model m.gguf wiki.test.raw", what: "of a test set" },
    {
      command: "deepts perplexity --model m.gguf --ctx-size 512 --stride 500 --json book.txt",
      what: "faster, rougher",
    },
  ],
  exits: RUN_EXITS,
  async run({ args, io, stdout, stderr, signal }) {
    const text = await readText(args.file, { io, signal }, "FILE");
    const { tokenizer } = await loadText(args.model);
    const { checkpoint } = await openModel(args.model);
    try {
      const { ctxSize, stride } = windowArgs(args, checkpoint.config.maxPositionEmbeddings);
      const bos = tokenizer.addBos && tokenizer.bosId !== null ? [tokenizer.bosId] : [];
      const tokens = Int32Array.from([...bos, ...tokenizer.encode(text)]);
      if (tokens.length < 2) throw new UsageError(`FILE: ${args.file} has no token that could be predicted`);
      const pages = pagesFor(Math.min(ctxSize, tokens.length));
      await withRunner(checkpoint, args, { pages, numerics: args.numerics }, { stderr, signal }, async (runner) => {
        const windows = windowsOf(tokens.length, ctxSize, stride);
        const nll = await totalNll(runner, tokens, windows, { stderr, signal });
        const scored = tokens.length - 1;
        const [meanNll, perplexity] = [nll / scored, Math.exp(nll / scored)];
        const result = { tokens: tokens.length, scored, ctxSize, stride, meanNll, perplexity };
        if (args.json) return stdout.line(JSON.stringify(result));
        await stdout.line(`tokens      ${tokens.length} (${scored} scored, window ${ctxSize}, stride ${stride})`);
        await stdout.line(`mean NLL    ${meanNll.toFixed(6)}`);
        await stdout.line(`perplexity  ${perplexity.toFixed(4)}`);
      });
    } finally {
      await checkpoint.close();
    }
  },
});

/** @throws UsageError */
function windowArgs(
  args: { readonly ctxSize: number | undefined; readonly stride: number | undefined },
  limit: number,
): { ctxSize: number; stride: number } {
  const ctxSize = args.ctxSize ?? Math.min(limit, DEFAULT_WINDOW);
  if (ctxSize > limit) throw new UsageError(`--ctx-size: ${ctxSize}, but this model reads at most ${limit} tokens`);
  const stride = args.stride ?? ctxSize >> 1;
  if (stride < ctxSize) return { ctxSize, stride };
  throw new UsageError(
    `--stride: ${stride}, but windows of ${ctxSize} tokens must overlap: want at most ${ctxSize - 1}`,
  );
}

/** Sum of -ln p over all tokens but the first. */
async function totalNll(
  runner: NetworkRunner,
  tokens: Int32Array,
  windows: readonly Window[],
  { stderr, signal }: Pick<Invocation<unknown>, "stderr" | "signal">,
): Promise<number> {
  const progress = new Progress(stderr, "evaluating");
  let nll = 0;
  for (const { start, end, firstScored } of windows) {
    for await (const step of evaluate(runner, tokens.subarray(start, end), { signal })) {
      const logits = (await step.outputs.logits!.read()) as Float32Array;
      const width = logits.length / step.rows;
      for (let row = 0; row < step.rows; row++) {
        const next = start + step.start + row + 1;
        if (next < firstScored || next >= end) continue;
        nll -= tokenLogprob(logits.subarray(row * width, (row + 1) * width), tokens[next]!);
      }
      progress.update(start + step.start + step.rows, tokens.length);
    }
  }
  await progress.end();
  return nll;
}

export interface Window {
  readonly start: number;
  readonly end: number;
  /** First token that no window before has scored. */
  readonly firstScored: number;
}

/** Cuts `length` tokens so that each but the first is scored once, from the second window on after at least size - stride others. */
export function windowsOf(length: number, size: number, stride: number): Window[] {
  const windows: Window[] = [];
  let firstScored = 1;
  for (let start = 0; firstScored < length; start += stride) {
    const end = Math.min(start + size, length);
    windows.push({ start, end, firstScored });
    firstScored = end;
  }
  return windows;
}
