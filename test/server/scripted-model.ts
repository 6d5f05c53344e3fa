import type {
  ChatInput,
  EndEvent,
  GenerationEvent,
  GenerationRequest,
  RenderedChat,
  ServedModel,
  TokenLogprobs,
} from "../../src/engine/generation.ts";
import { TextError } from "../../src/errors.ts";
import { Budget } from "../../src/grammar/budget.ts";
import { automatonOf, type GrammarSource } from "../../src/grammar/compile-grammar.ts";

export interface Script {
  /** The tokens of the answer, one text each. */
  readonly answer?: (request: GenerationRequest) => readonly string[];
  /** After the answer, go on without a token until the signal aborts. */
  readonly hangs?: boolean;
  /** Thrown by `generate` after this many tokens. */
  readonly fails?: { readonly after: number; readonly error: unknown };
  readonly startsInThinking?: boolean;
}

/** A model that says what a test wants, and remembers what it was asked. */
export class ScriptedModel implements ServedModel {
  readonly id = "scripted";
  readonly description = "A scripted model for tests.";
  readonly created = 1_700_000_000;
  readonly contextSize = 4096;
  readonly requests: GenerationRequest[] = [];
  readonly chats: ChatInput[] = [];
  /** Generations that were stopped before their end, by their signal or by a consumer that left. */
  stopped = 0;
  /** Resolves when the first generation is stopped. */
  readonly firstStop: Promise<void>;
  private readonly script: Script;
  private readonly vocabulary: string[] = ["<bos>"];
  private onStop = () => {};

  constructor(script: Script = {}) {
    this.script = script;
    this.firstStop = new Promise((resolve) => {
      this.onStop = resolve;
    });
  }

  async *generate(
    request: GenerationRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerationEvent> {
    this.requests.push(request);
    let ended = false;
    try {
      yield* this.events(request, signal);
      ended = true;
    } catch (error) {
      ended = !signal?.aborted;
      throw error;
    } finally {
      if (!ended) {
        this.stopped++;
        this.onStop();
      }
    }
  }

  private async *events(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent> {
    const { answer = () => ["Hello", ",", " world", "!"], fails, hangs = false } = this.script;
    const promptTokens = request.prompt.length;
    const end = (reason: "stop" | "length", completionTokens: number, stopString: string | null = null): EndEvent => ({
      type: "end",
      reason,
      text: "",
      stopString,
      promptTokens,
      cachedPromptTokens: 0,
      completionTokens,
    });
    const pieces = answer(request);
    for (const [index, piece] of pieces.entries()) {
      if (fails?.after === index) throw fails.error;
      if (index === request.maxTokens) return yield end("length", index);
      await Promise.resolve();
      signal?.throwIfAborted();
      const stop = request.stop?.find((text) => piece.includes(text));
      if (stop !== undefined) return yield end("stop", index + 1, stop);
      yield {
        type: "token",
        token: this.idOf(piece),
        text: piece,
        logprobs: this.logprobs(piece, request.topLogprobs),
      };
    }
    if (fails?.after === pieces.length) throw fails.error;
    if (hangs) {
      await new Promise<void>((resolve) => {
        if (signal?.aborted) resolve();
        else signal?.addEventListener("abort", () => resolve());
      });
      signal?.throwIfAborted();
    }
    yield end("stop", pieces.length + 1);
  }

  checkGrammar(source: GrammarSource): void {
    automatonOf(source, new Budget());
  }

  /** How long the text is, and how it was pooled. */
  async embed(prompt: readonly number[], pooling: "mean" | "last"): Promise<Float32Array> {
    return Float32Array.of(prompt.length, pooling === "mean" ? 0.5 : -0.5);
  }

  async renderChat(input: ChatInput): Promise<RenderedChat> {
    this.chats.push(input);
    const text = input.messages.map(({ content }) => String(content ?? "")).join("\n");
    return { text, ids: this.encodePrompt(text), startsInThinking: this.script.startsInThinking ?? false };
  }

  encodePrompt(text: string): number[] {
    return text === "" ? [0] : [0, ...text.split(/(?<= )/).map((word) => this.idOf(word))];
  }

  /** One id for each word; with `special`, one more for each token written as `<｜...｜>`. */
  encode(text: string, { special = false }: { special?: boolean } = {}): number[] {
    const parts = special ? text.split(/(<｜[^｜]+｜>)/).filter((part) => part !== "") : [text];
    return parts.flatMap((part) => part.split(/(?<= )/).map((word) => this.idOf(word)));
  }

  decode(ids: readonly number[]): string {
    const decoder = new TextDecoder();
    return ids.map((id) => decoder.decode(this.tokenBytes(id))).join("");
  }

  tokenBytes(token: number): Uint8Array {
    const text = this.vocabulary[token];
    if (text === undefined) throw new TextError(`token id ${token} is out of range`);
    return new TextEncoder().encode(text);
  }

  private idOf(text: string): number {
    const known = this.vocabulary.indexOf(text);
    return known >= 0 ? known : this.vocabulary.push(text) - 1;
  }

  private logprobs(piece: string, top: number | null | undefined): TokenLogprobs | null {
    if (top === null || top === undefined) return null;
    const token = this.idOf(piece);
    const alternatives = [
      { token, logprob: -0.25 },
      { token: 0, logprob: Number.NEGATIVE_INFINITY },
    ];
    return { token, logprob: -0.25, top: alternatives.slice(0, top) };
  }
}
