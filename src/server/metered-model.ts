import type { ChatInput, GenerationEvent, GenerationRequest, RenderedChat, ServedModel } from "../engine/generation.ts";
import type { Pooling } from "../engine/pooling.ts";
import type { GrammarSource } from "../grammar/compile-grammar.ts";
import { toApiError } from "./errors.ts";
import type { Metrics } from "./metrics.ts";

/** What the engine is told about the caller, beside the request itself. */
export type CallerWishes = Pick<GenerationRequest, "priority" | "cacheSalt" | "timeoutMs">;

export interface Meter {
  readonly metrics: Metrics;
  readonly wishes: CallerWishes;
  /** Told once an answer has ended, however it did. */
  readonly onSpent: (tokens: number) => void;
}

/** A model as one caller sees it: with the caller's wishes, and everything counted. */
export class MeteredModel implements ServedModel {
  readonly id: string;
  readonly description: string;
  readonly created: number;
  readonly contextSize: number;
  readonly #model: ServedModel;
  readonly #meter: Meter;

  constructor(model: ServedModel, meter: Meter) {
    this.id = model.id;
    this.description = model.description;
    this.created = model.created;
    this.contextSize = model.contextSize;
    this.#model = model;
    this.#meter = meter;
  }

  async *generate(
    request: GenerationRequest,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const { metrics, wishes, onSpent } = this.#meter;
    const model = this.id;
    let reason = "cancelled";
    let generated = 0;
    let last = performance.now();
    metrics.running.inc({ model });
    try {
      for await (const event of this.#model.generate({ ...request, ...wishes }, options)) {
        if (event.type === "token") {
          const now = performance.now();
          const seconds = (now - last) / 1000;
          (generated++ === 0 ? metrics.firstTokenSeconds : metrics.nextTokenSeconds).observe({ model }, seconds);
          last = now;
        } else {
          reason = event.reason;
          generated = event.completionTokens;
          metrics.cachedTokens.inc({ model }, event.cachedPromptTokens);
        }
        yield event;
      }
    } catch (error) {
      if (!options?.signal?.aborted) reason = generated === 0 && isRefusal(error) ? "refused" : "failed";
      throw error;
    } finally {
      metrics.running.dec({ model });
      metrics.answers.inc({ model, reason });
      // A prompt that led to no token may not have been read at all.
      const prompt = generated > 0 ? request.prompt.length : 0;
      metrics.promptTokens.inc({ model }, prompt);
      metrics.generatedTokens.inc({ model }, generated);
      onSpent(prompt + generated);
    }
  }

  checkGrammar(source: GrammarSource): void {
    this.#model.checkGrammar(source);
  }

  async embed(prompt: readonly number[], pooling: Pooling, options?: { signal?: AbortSignal }): Promise<Float32Array> {
    const vector = await this.#model.embed(prompt, pooling, options);
    this.#meter.metrics.promptTokens.inc({ model: this.id }, prompt.length);
    this.#meter.onSpent(prompt.length);
    return vector;
  }

  renderChat(input: ChatInput): Promise<RenderedChat> {
    return this.#model.renderChat(input);
  }

  encodePrompt(text: string, options?: { special?: boolean }): number[] {
    return this.#model.encodePrompt(text, options);
  }

  encode(text: string, options?: { special?: boolean }): number[] {
    return this.#model.encode(text, options);
  }

  decode(ids: readonly number[]): string {
    return this.#model.decode(ids);
  }

  tokenBytes(token: number): Uint8Array {
    return this.#model.tokenBytes(token);
  }
}

/** The request is wrong, or there is no room for it now. */
function isRefusal(error: unknown): boolean {
  const { status } = toApiError(error);
  return status < 500 || status === 503;
}
