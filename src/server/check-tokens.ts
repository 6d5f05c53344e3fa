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
