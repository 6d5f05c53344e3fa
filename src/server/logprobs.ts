import type { ServedModel, TokenLogprobs } from "../engine/generation.ts";
import type { ChatTokenLogprob, Logprob } from "../protocol/chat-response.ts";
import type { CompletionLogprobs } from "../protocol/completion-response.ts";

/** Log-probabilities in the form of chat answers. */
export function toChatLogprobs(tokens: readonly TokenLogprobs[], model: ServedModel): ChatTokenLogprob[] {
  const entry = ({ token, logprob }: { token: number; logprob: number }): Logprob => {
    const bytes = model.tokenBytes(token);
    return { token: text(bytes), logprob: finite(logprob), bytes: [...bytes] };
  };
  return tokens.map((token) => ({ ...entry(token), top_logprobs: token.top.map(entry) }));
}

/**
 * Log-probabilities in the older form.
 * @param offset where the first token starts in the answer's text
 */
export function toCompletionLogprobs(
  tokens: readonly TokenLogprobs[],
  model: ServedModel,
  offset: number,
): CompletionLogprobs {
  const texts = tokens.map(({ token }) => text(model.tokenBytes(token)));
  let at = offset;
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [text(model.tokenBytes(token)), finite(logprob)])),
    ),
    text_offset: texts.map((token) => {
      const start = at;
      at += token.length;
      return start;
    }),
  };
}

/** Half a character becomes U+FFFD; `bytes` has the truth. */
function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** JSON has no -Infinity; OpenAI writes this for a token that cannot be. */
function finite(logprob: number): number {
  return Math.max(logprob, -9999);
}
