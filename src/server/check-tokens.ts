import type { ServedModel } from "../engine/generation.ts";
import { ApiError } from "../errors.ts";

/** @returns the tokens @throws ApiError 400 naming the first that is none of the model's */
export function checkTokens(tokens: number[], param: string, model: ServedModel): number[] {
  for (const token of tokens) {
    try {
      model.tokenBytes(token);
    } catch (cause) {
      const detail = { param, code: "invalid_value", cause };
      throw new ApiError(400, `'${param}': ${token} is not a token of this model`, detail);
    }
  }
  return tokens;
}

/**
 * Refuses a prompt that leaves no room in the context, before anything else is done with it.
 * @throws ApiError 400 context_length_exceeded with both counts
 */
export function checkLength(tokens: readonly number[], param: string, { contextSize }: ServedModel): void {
  if (tokens.length < contextSize) return;
  throw new ApiError(
    400,
    `'${param}' has ${tokens.length} tokens, but the context holds ${contextSize}, answer included: shorten it`,
    { param, code: "context_length_exceeded" },
  );
}
