import { evaluate, pagesFor } from "../../engine/evaluate.ts";
import { tokenLogprob } from "../../engine/logprobs.ts";
import { loadText, openModel } from "../../node.ts";
import { defineCommand } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { readText } from "../input.ts";
import { Progress } from "../progress.ts";
import { backendArg, modelArg } from "../shared-args.ts";
import { withRunner } from "../with-runner.ts";

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
    { command: "deepts perplexity --model m.gguf --ctx-size 512 --stride 512 --json book.txt", what: "faster, rougher" },
  ],
  exits: RUN_EXITS,
  async run({ args, io, stdout, stderr, signal }) {
    const text = await readText(args.file, io, "FILE");
    const { tokenizer } = await loadText(args.model);
    const { checkpoint } = await openModel(args.model);
    try {
      const limit = checkpoint.config.maxPositionEmbeddings;
      const size = args.ctxSize ?? Math.min(limit, DEFAULT_WINDOW);
      if (size > limit) throw new UsageError(`--ctx-size: ${size}, but this model reads at most ${limit} tokens`);
      const stride = args.stride ?? Math.max(1, size >> 1);
      if (stride > size) throw new UsageError(`--stride: ${stride} is more than the window of ${size} tokens`);
      const bos = tokenizer.addBos && tokenizer.bosId !== null ? [tokenizer.bosId] : [];
      const tokens = Int32Array.from([...bos, ...tokenizer.encode(text)]);
      if (tokens.length < 2) throw new UsageError(`FILE: ${args.file} has no token that could be predicted`);
      let sum = 0;
      const pages = pagesFor(Math.min(size, tokens.length));
      await withRunner(checkpoint, args.backend, { pages }, { stderr, signal }, async (runner) => {
        const progress = new Progress(stderr, "evaluating");
        for (const window of windowsOf(tokens.length, size, stride)) {
          const read = tokens.subarray(window.start, window.end);
          for await (const step of evaluate(runner, read, { signal })) {
            const rows = (await step.outputs.logits!.read()) as Float32Array;
            const width = rows.length / step.rows;
            for (let row = 0; row < step.rows; row++) {
              const next = window.start + step.start + row + 1;
              if (next < window.firstScored || next >= window.end) continue;
              sum -= tokenLogprob(rows.subarray(row * width, (row + 1) * width), tokens[next]!);
            }
            progress.update(window.start + step.start + step.rows, tokens.length);
          }
        }
        await progress.end();
      });
      const scored = tokens.length - 1;
      const result = { tokens: tokens.length, scored, meanNll: sum / scored, perplexity: Math.exp(sum / scored) };
      if (args.json) return await stdout.line(JSON.stringify({ ...result, ctxSize: size, stride }));
      await stdout.line(`tokens      ${result.tokens} (${scored} scored, windows of ${size}, stride ${stride})`);
      await stdout.line(`mean NLL    ${result.meanNll.toFixed(6)}`);
      await stdout.line(`perplexity  ${result.perplexity.toFixed(4)}`);
    } finally {
      await checkpoint.close();
    }
  },
});

export interface Window {
  readonly start: number;
  readonly end: number;
  /** First token that no window before has scored. */
  readonly firstScored: number;
}

/** Cuts `length` tokens so that each but the first is scored once, with at least `size - stride` tokens before it in later windows. */
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
