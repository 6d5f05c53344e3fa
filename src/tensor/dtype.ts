/**
 * Element types of weights: the ggml types by their ggml names, and the FP8 of Hugging Face checkpoints.
 * A quantised type stores blocks of `blockElements` consecutive elements of a row in `blockBytes` bytes.
 * Source: ggml.h (enum ggml_type) and gguf-py constants for numbers and sizes; test: fixtures/dequant/index.json.
 */
export interface DTypeInfo {
  readonly blockElements: number;
  readonly blockBytes: number;
  /** ggml type number, or null where GGUF has none. */
  readonly ggml: number | null;
}

export const DTYPES = {
  F32: { blockElements: 1, blockBytes: 4, ggml: 0 },
  F16: { blockElements: 1, blockBytes: 2, ggml: 1 },
  BF16: { blockElements: 1, blockBytes: 2, ggml: 30 },
  F8_E4M3: { blockElements: 1, blockBytes: 1, ggml: null },
  Q4_0: { blockElements: 32, blockBytes: 18, ggml: 2 },
  Q4_1: { blockElements: 32, blockBytes: 20, ggml: 3 },
  Q5_0: { blockElements: 32, blockBytes: 22, ggml: 6 },
  Q5_1: { blockElements: 32, blockBytes: 24, ggml: 7 },
  Q8_0: { blockElements: 32, blockBytes: 34, ggml: 8 },
  Q2_K: { blockElements: 256, blockBytes: 84, ggml: 10 },
  Q3_K: { blockElements: 256, blockBytes: 110, ggml: 11 },
  Q4_K: { blockElements: 256, blockBytes: 144, ggml: 12 },
  Q5_K: { blockElements: 256, blockBytes: 176, ggml: 13 },
  Q6_K: { blockElements: 256, blockBytes: 210, ggml: 14 },
  IQ2_XXS: { blockElements: 256, blockBytes: 66, ggml: 16 },
  IQ2_XS: { blockElements: 256, blockBytes: 74, ggml: 17 },
  IQ3_XXS: { blockElements: 256, blockBytes: 98, ggml: 18 },
  IQ1_S: { blockElements: 256, blockBytes: 50, ggml: 19 },
  IQ4_NL: { blockElements: 32, blockBytes: 18, ggml: 20 },
  IQ3_S: { blockElements: 256, blockBytes: 110, ggml: 21 },
  IQ2_S: { blockElements: 256, blockBytes: 82, ggml: 22 },
  IQ4_XS: { blockElements: 256, blockBytes: 136, ggml: 23 },
  IQ1_M: { blockElements: 256, blockBytes: 56, ggml: 29 },
  TQ1_0: { blockElements: 256, blockBytes: 54, ggml: 34 },
  TQ2_0: { blockElements: 256, blockBytes: 66, ggml: 35 },
  MXFP4: { blockElements: 32, blockBytes: 17, ggml: 39 },
  NVFP4: { blockElements: 64, blockBytes: 36, ggml: 40 },
  Q1_0: { blockElements: 128, blockBytes: 18, ggml: 41 },
  Q2_0: { blockElements: 64, blockBytes: 18, ggml: 42 },
} as const satisfies Record<string, DTypeInfo>;

export type DType = keyof typeof DTYPES;

/** Bytes of one row of `elements` elements. @throws RangeError when the row is not a whole number of blocks */
export function rowBytes(dtype: DType, elements: number): number {
  const { blockElements, blockBytes } = DTYPES[dtype];
  if (elements % blockElements !== 0) {
    throw new RangeError(`${dtype}: a row of ${elements} elements is not a whole number of blocks of ${blockElements}`);
  }
  return (elements / blockElements) * blockBytes;
}
