import { validateStopStrings } from "../../engine/stop-strings.ts";
import { ConfigError } from "../../errors.ts";
import type { LoadedModel } from "../../node.ts";
import { defineCommand } from "../command.ts";
import { RUN_EXITS, UsageError } from "../exit-codes.ts";
import { readText } from "../input.ts";
import { withModel } from "../loading.ts";
import { computeArgs, ctxSizeArg, maxTokensArg, modelArg, samplingArgs, samplingOf } from "../shared-args.ts";
import { type Answer, separateReasoning, streamAnswer } from "../stream-answer.ts";

export const generate = defineCommand({
  name: "generate",
  summary: "Answer one prompt",
  description:
    "The answer is written to stdout as it comes, reasoning to stderr. The prompt is a user's turn in the model's chat\n" +
    "template, or where there is no template, and with --raw, plain text to go on from.",
  args: {
    model: modelArg,
    prompt: { type: "text", required: true, help: "the prompt; - reads it from stdin, as it is" },
    system: { type: "text", help: "system message before the prompt" },
    thinking: { type: "flag", help: "let the model reason first, where it can" },
    raw: { type: "flag", help: "no chat template: go on from the prompt (BOS comes first where the model wants it)" },
    maxTokens: maxTokensArg,
    ...samplingArgs,
    stop: { type: "list", value: "TEXT", help: "end the answer before this text" },
    ...computeArgs,
    ctxSize: ctxSizeArg,
    json: { type: "flag", help: "print one JSON object at the end, and nothing before" },
  },
  examples: [
    { command: 'deepts generate --prompt "What is the capital of France?"', what: "ask the embedded model" },
    {
      command: 'deepts generate --model m.gguf --raw --prompt "def fib(n):" --temperature 0 --stop "def "',
      what: "complete code, always the same way",
    },
    { command: "deepts generate --model m.gguf --prompt - --json < question.txt", what: "with token ids and speed" },
  ],
  exits: RUN_EXITS,
  async run({ args, io, stdout, stderr, signal }) {
    if (args.raw && (args.system !== undefined || args.thinking)) {
      throw new UsageError("--raw: there is no chat template then for --system and --thinking");
    }
    const stop = checkStops(args.stop);
    const prompt = args.prompt === "-" ? await readText("-", { io, signal }, "--prompt") : args.prompt;
    const { backend, threads, numerics, cacheType, ctxSize: contextSize } = args;
    await withModel(
      args.model,
      { backend, threads, numerics, cacheType, contextSize, parallel: 1 },
      { stderr, signal },
      async (model) => {
        const { engine, notes } = model;
        for (const note of notes) await stderr.line(note);
        const { ids, startsInThinking } = await promptOf(model, prompt, args);
        const sampling = samplingOf(args);
        const request = { prompt: ids, maxTokens: args.maxTokens ?? null, sampling, stop };
        const silent = async () => {};
        const sinks = args.json
          ? { content: silent, reasoning: silent }
          : separateReasoning({ content: (text) => stdout.write(text), reasoning: (text) => stderr.dim(text) });
        try {
          const answer = await streamAnswer(engine, request, startsInThinking, sinks, signal);
          if (args.json) await stdout.line(JSON.stringify(resultOf(engine.id, answer)));
        } finally {
          if (stdout.isTerminal && !args.json) await stdout.write("\n");
        }
      },
    );
  },
});

/** @throws UsageError */
function checkStops(stops: readonly string[]): readonly string[] {
  try {
    return validateStopStrings(stops);
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(`--${error.message}`, { cause: error });
    throw error;
  }
}

/** The prompt's ids, and whether it has opened the reasoning (null: a text without reasoning). */
async function promptOf(
  { engine }: LoadedModel,
  prompt: string,
  { raw, system, thinking }: { readonly raw: boolean; readonly system: string | undefined; readonly thinking: boolean },
): Promise<{ ids: readonly number[]; startsInThinking: boolean | null }> {
  if (raw || engine.text.chatTemplate === null) return { ids: engine.encodePrompt(prompt), startsInThinking: null };
  const first = system === undefined ? [] : [{ role: "system", content: system }];
  return engine.renderChat({ messages: [...first, { role: "user", content: prompt }], thinking });
}

function resultOf(model: string, { content: text, reasoning, ids, end, prefillMs, decodeMs }: Answer) {
  const { promptTokens, completionTokens, reason: finishReason, stopString } = end;
  const perSecond = (tokens: number, ms: number) => (tokens > 0 && ms > 0 ? (1000 * tokens) / ms : null);
  return {
    model,
    text,
    reasoning,
    ids,
    promptTokens,
    completionTokens,
    finishReason,
    stopString,
    // The first token comes out of the prefill.
    tokensPerSecond: { prefill: perSecond(promptTokens, prefillMs), decode: perSecond(completionTokens - 1, decodeMs) },
  };
}
