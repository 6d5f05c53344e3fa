import type { Usage } from "../protocol/chat-response.ts";

/** Adds up the tokens of an answer's choices. */
export class UsageCounter {
  private readonly prompts = new Map<number, number>();
  private completionTokens = 0;
  private reasoningTokens = 0;

  /** @param prompt which prompt: choices of the same one count its tokens once */
  add(prompt: number, end: { promptTokens: number; completionTokens: number; reasoningTokens?: number }): void {
    this.prompts.set(prompt, end.promptTokens);
    this.completionTokens += end.completionTokens;
    this.reasoningTokens += end.reasoningTokens ?? 0;
  }

  total(): Usage {
    let promptTokens = 0;
    for (const tokens of this.prompts.values()) promptTokens += tokens;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: this.completionTokens,
      total_tokens: promptTokens + this.completionTokens,
      completion_tokens_details: { reasoning_tokens: this.reasoningTokens },
    };
  }
}
