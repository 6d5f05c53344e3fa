import * as z from "zod";
import { list, optional } from "./fields.ts";

/** The most entries of `logit_bias`; the engine's limit too. */
const MAX_LOGIT_BIAS = 1024;
export const MAX_STOP_STRINGS = 16;
const MAX_STOP_LENGTH = 256;

/**
 * Sampling fields of both completion endpoints. OpenAI's have OpenAI's ranges; the ranges of the extensions belong to
 * the engine, whose refusals are answered under the names used here.
 */
export const samplingFields = {
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().min(0).max(1)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  seed: optional(z.int()),
  logit_bias: optional(
    // Counted before the entries are looked at: see `list`.
    z.preprocess(
      (value, context) => {
        const count = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
        if (count <= MAX_LOGIT_BIAS) return value;
        context.addIssue({ code: "too_big", origin: "map", maximum: MAX_LOGIT_BIAS, input: value });
        return z.NEVER;
      },
      z.record(z.string().regex(/^\d{1,10}$/), z.number().min(-100).max(100)),
    ),
  ),
  top_k: optional(z.int()),
  min_p: optional(z.number()),
  typical_p: optional(z.number()),
  repetition_penalty: optional(z.number()),
  repeat_last_n: optional(z.int()),
  dry_multiplier: optional(z.number()),
  dry_base: optional(z.number()),
  dry_allowed_length: optional(z.int()),
  dry_penalty_last_n: optional(z.int()),
  xtc_probability: optional(z.number()),
  xtc_threshold: optional(z.number()),
  mirostat: optional(z.union([z.literal(0), z.literal(2)])),
  mirostat_tau: optional(z.number()),
  mirostat_eta: optional(z.number()),
};

/** Name in the engine for each sampling field of the wire. */
export const engineNames = {
  temperature: "temperature",
  top_p: "topP",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  seed: "seed",
  logit_bias: "logitBias",
  top_k: "topK",
  min_p: "minP",
  typical_p: "typicalP",
  repetition_penalty: "repetitionPenalty",
  repeat_last_n: "repeatLastN",
  dry_multiplier: "dryMultiplier",
  dry_base: "dryBase",
  dry_allowed_length: "dryAllowedLength",
  dry_penalty_last_n: "dryPenaltyLastN",
  xtc_probability: "xtcProbability",
  xtc_threshold: "xtcThreshold",
  mirostat: "mirostat",
  mirostat_tau: "mirostatTau",
  mirostat_eta: "mirostatEta",
} as const satisfies Record<keyof typeof samplingFields, string>;

const samplingRequest = z.object(samplingFields);
export type SamplingFields = z.output<typeof samplingRequest>;

export const stopString = z.string().min(1).max(MAX_STOP_LENGTH);

/** One string or several; several come out. */
export const stopField = optional(
  z.union([stopString.transform((text) => [text]), list(stopString, { max: MAX_STOP_STRINGS })]),
);

/** Choices a prompt may ask for. */
export const MAX_CHOICES = 8;

/** Fields of both completion endpoints beside the sampling ones. */
export const commonFields = {
  model: optional(z.string().max(512)),
  n: optional(z.int().min(1).max(MAX_CHOICES)),
  stop: stopField,
  stream: optional(z.boolean()),
  stream_options: optional(
    z.strictObject({
      include_usage: optional(z.boolean()),
      include_obfuscation: optional(z.literal(false)),
    }),
  ),
  ignore_eos: optional(z.boolean()),
};

/** The rule across fields that both endpoints share. */
export function checkStreamOptions(
  body: { readonly stream?: boolean; readonly stream_options?: unknown },
  context: z.RefinementCtx,
): void {
  if (body.stream_options === undefined || body.stream) return;
  context.addIssue({ code: "custom", path: ["stream_options"], message: "is only allowed with stream: true" });
}
