import type { ServedModel } from "../engine/generation.ts";

/** Fields that open an answer and are repeated in each of its chunks. */
export interface AnswerHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** e.g. `msg_0123456789abcdef0123456789abcdef` */
export function randomId(kind: string, separator = "_"): string {
  return `${kind}${separator}${crypto.randomUUID().replaceAll("-", "")}`;
}

/** @param kind the prefix of the id: chatcmpl or cmpl */
export function answerHead(kind: string, model: ServedModel): AnswerHead {
  return {
    id: randomId(kind, "-"),
    created: Math.floor(Date.now() / 1000),
    model: model.id,
    // A seed gives the same answer as long as this stays the same.
    system_fingerprint: `fp_${model.created.toString(16)}_${model.contextSize.toString(16)}`,
  };
}
