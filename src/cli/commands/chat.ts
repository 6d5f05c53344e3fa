import { DeepTsError, TextError } from "../../errors.ts";
import type { LoadedModel } from "../../node.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { Conversation } from "../conversation.ts";
import { RUN_EXITS } from "../exit-codes.ts";
import { LineReader } from "../line-reader.ts";
import { withModel } from "../loading.ts";
import {
  computeArgs,
  ctxSizeArg,
  deterministicArg,
  maxTokensArg,
  modelArg,
  samplingArgs,
  samplingOf,
} from "../shared-args.ts";
import { separateReasoning } from "../stream-answer.ts";

const HELP = "/reset forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops an answer";

export const chat = defineCommand({
  name: "chat",
  summary: "Talk with a model in the terminal",
  description:
    "Each line is a turn, and the model sees those before it. Ctrl-C stops an answer; at an empty prompt it leaves, as\n" +
    "do Ctrl-D and /exit. /reset begins anew, /help tells. From a pipe, each line is a turn too, and its answer is\n" +
    "printed with a line end; reasoning goes to stderr then.",
  args: {
    model: modelArg,
    system: { type: "text", help: "system message" },
    thinking: { type: "flag", help: "let the model reason first, where it can; shown dimmed" },
    maxTokens: maxTokensArg,
    ...samplingArgs,
    ...computeArgs,
    ctxSize: ctxSizeArg,
    deterministic: deterministicArg,
  },
  examples: [
    { command: "deepts chat", what: "talk with the embedded model" },
    { command: 'deepts chat --model m.gguf --thinking --system "Answer in French."', what: "reasoning, in French" },
    { command: "printf 'Hello!\\nWho are you?\\n' | deepts chat", what: "two turns from a pipe" },
  ],
  exits: { ...RUN_EXITS, 0: "the conversation was left" },
  async run(invocation) {
    const { args, stderr, signal } = invocation;
    const { backend, threads, numerics, cacheType, ctxSize: contextSize, deterministic } = args;
    await withModel(
      args.model,
      { backend, threads, numerics, cacheType, contextSize, parallel: 1, deterministic },
      { stderr, signal },
      async (model) => {
        if (model.engine.text.chatTemplate === null) {
          throw new TextError("this model has no chat template; deepts generate --raw goes on from plain text");
        }
        const request = { maxTokens: args.maxTokens ?? null, sampling: samplingOf(args) };
        const { system, thinking } = args;
        await talk(invocation, model, new Conversation(model.engine, { system, thinking, request }));
      },
    );
  },
});

type Surroundings = Pick<Invocation<unknown>, "io" | "stdout" | "stderr" | "interrupts" | "signal">;

async function talk(
  invocation: Surroundings,
  { engine, notes }: LoadedModel,
  conversation: Conversation,
): Promise<void> {
  const { io, stdout, stderr, interrupts, signal } = invocation;
  const interrupt = () => {
    if (!conversation.stop() && !lines.discardTyped()) lines.close();
  };
  const lines = new LineReader(io, interrupt);
  const leave = () => lines.close();
  signal.addEventListener("abort", leave, { once: true });
  interrupts.handleWith(interrupt);
  // In a terminal the reasoning belongs to what is read; in a pipe it is not part of the answer.
  const reasoning = (text: string) => (lines.isTerminal ? stdout : stderr).dim(text);
  try {
    if (lines.isTerminal)
      for (const line of [engine.id, engine.description, ...notes, HELP]) if (line) await stdout.dim(`${line}\n`);
    for (let line = await lines.next("> "); line !== null; line = await lines.next("> ")) {
      const text = line.trim();
      if (text === "/exit") break;
      else if (text === "/reset") conversation.reset();
      else if (text.startsWith("/")) await stderr.line(text === "/help" ? HELP : `no command ${text}: ${HELP}`);
      else if (text !== "") {
        const sinks = separateReasoning({ content: (part) => stdout.write(part), reasoning });
        try {
          const finished = await conversation.ask(text, sinks, signal);
          if (!finished && lines.isTerminal) await stdout.dim(" [stopped]");
        } catch (error) {
          if (!lines.isTerminal || !(error instanceof DeepTsError)) throw error;
          await stderr.write(`${error.message}\n`);
        }
        await stdout.write("\n");
      }
    }
  } finally {
    interrupts.handleWith(null);
    signal.removeEventListener("abort", leave);
    lines.close();
  }
  signal.throwIfAborted();
}
