import { DeepTsError } from "../errors.ts";
import { expOfNonPositive } from "./sampling/exp.ts";

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** The most `topLogprobs` gives; OpenAI's limit of `top_logprobs`. */
export const MAX_TOP_LOGPROBS = 20;

/**
 * ln of the sum of exp(logits), in f64 from the largest logit, so that it neither overflows nor loses small terms.
 * @param logits [vocabSize] f32
 * @throws DeepTsError `bad_logits` on NaN, +Infinity, or when every value is -Infinity
 */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expOfNonPositive(logits[i]! - max);
  const result = max + Math.log(sum);
  if (Number.isFinite(result)) return result;
  throw new DeepTsError("bad_logits", "logits: NaN, +Infinity, or every value -Infinity");
}

/** The log-probability of one token. @throws DeepTsError as `logSumExp` */
export function tokenLogprob(logits: Float32Array, token: number): number {
  return logits[token]! - logSumExp(logits);
}

/**
 * The `count` most likely tokens, most likely first, the lowest id first among equals. One pass over the row.
 * @param logits [vocabSize] f32
 * @param count  integer from 0 to MAX_TOP_LOGPROBS
 * @throws RangeError on another count; DeepTsError as `logSumExp`
 */
export function topLogprobs(logits: Float32Array, count: number): TokenLogprob[] {
  if (!Number.isInteger(count) || count < 0 || count > MAX_TOP_LOGPROBS) {
    throw new RangeError(`topLogprobs: want a count from 0 to ${MAX_TOP_LOGPROBS}, got ${count}`);
  }
  const logSum = logSumExp(logits);
  const top: number[] = []; // token ids, best first
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token]!;
    if (top.length === count && !(count > 0 && logit > logits[top[count - 1]!]!)) continue;
    let at = top.length === count ? count - 1 : top.length;
    for (; at > 0 && logits[top[at - 1]!]! < logit; at--) top[at] = top[at - 1]!;
    top[at] = token;
  }
  return top.map((token) => ({ token, logprob: logits[token]! - logSum }));
}
