import type { Usage } from "../protocol/chat-response.ts";

interface Tokens {
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens?: number;
}

/** Adds up the tokens of an answer's choices. */
export class UsageCounter {
  private readonly prompts = new Map<number, { tokens: number; cached: number }>();
  private completionTokens = 0;
  private reasoningTokens = 0;

  /** @param prompt which prompt: choices of the same one count its tokens once, as cached where none had to read them */
  add(prompt: number, end: Tokens): void {
    const cached = Math.min(end.cachedPromptTokens, this.prompts.get(prompt)?.cached ?? Number.POSITIVE_INFINITY);
    this.prompts.set(prompt, { tokens: end.promptTokens, cached });
    this.completionTokens += end.completionTokens;
    this.reasoningTokens += end.reasoningTokens ?? 0;
  }

  total(): Usage {
    let [prompt, cached] = [0, 0];
    for (const entry of this.prompts.values()) {
      prompt += entry.tokens;
      cached += entry.cached;
    }
    return {
      prompt_tokens: prompt,
      completion_tokens: this.completionTokens,
      total_tokens: prompt + this.completionTokens,
      prompt_tokens_details: { cached_tokens: cached },
      prompt_cache_hit_tokens: cached,
      prompt_cache_miss_tokens: prompt - cached,
      completion_tokens_details: { reasoning_tokens: this.reasoningTokens },
    };
  }
}
