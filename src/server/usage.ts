import type { Usage } from "../protocol/chat-response.ts";

export interface CountedTokens {
  readonly promptTokens: number;
  /** Those of the prompt that had been read before. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens?: number;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Adds up the tokens of an answer's choices. */
export class UsageCounter {
  private readonly prompts = new Map<number, number>();
  private readonly cached = new Map<number, number>();
  private completionTokens = 0;
  private reasoningTokens = 0;

  /** @param prompt which prompt: choices of the same one count its tokens once */
  add(prompt: number, end: CountedTokens): void {
    this.prompts.set(prompt, end.promptTokens);
    // Choices after the first find the prompt that the first has read; what counts is what the request found.
    this.cached.set(prompt, Math.min(end.cachedTokens, this.cached.get(prompt) ?? Number.POSITIVE_INFINITY));
    this.completionTokens += end.completionTokens;
    this.reasoningTokens += end.reasoningTokens ?? 0;
  }

  total(): Usage {
    const promptTokens = sum(this.prompts.values());
    const cachedTokens = sum(this.cached.values());
    return {
      prompt_tokens: promptTokens,
      completion_tokens: this.completionTokens,
      total_tokens: promptTokens + this.completionTokens,
      prompt_tokens_details: { cached_tokens: cachedTokens },
      prompt_cache_hit_tokens: cachedTokens,
      prompt_cache_miss_tokens: promptTokens - cachedTokens,
      completion_tokens_details: { reasoning_tokens: this.reasoningTokens },
    };
  }
}
