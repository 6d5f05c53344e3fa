import { DTYPES } from "../../tensor/dtype.ts";
import type { EncodedType } from "../../tensor/encoder.ts";

/** Which layers, of how many. */
const LAYERS = {
  firstTwo: (layer: number) => layer < 2,
  firstFour: (layer: number) => layer < 4,
  firstSixteenth: (layer: number, layers: number) => layer < Math.floor(layers / 16),
  firstEighth: (layer: number, layers: number) => layer < Math.floor(layers / 8),
  /** All but the first and the last eighth. */
  middle: (layer: number, layers: number) => layer >= Math.floor(layers / 8) && layer < Math.floor((7 * layers) / 8),
  /** The first and the last eighth, and every third between. */
  some: (layer: number, layers: number) => !LAYERS.middle(layer, layers) || (layer - Math.floor(layers / 8)) % 3 === 2,
};

/** A type for all layers; or for some, and for all others (default: the recipe's base). */
type Rule = EncodedType | readonly [layers: keyof typeof LAYERS, to: EncodedType, others?: EncodedType];

/** The kinds of tensors that recipes tell apart; the first that has a rule counts. `value`: and kv_b in its place. */
const KINDS = {
  embedding: /^token_embd\.weight$/,
  experts: /_exps\.weight$/,
  value: /\.(attn_v|attn_qkv|attn_kv_b|attn_k_b|attn_v_b)\.weight$/,
  queryKey: /\.attn_[qk]\.weight$/,
  output: /\.attn_output\.weight$/,
  down: /\.ffn_down(_exps|_shexp)?\.weight$/,
  gateUp: /\.ffn_(gate|up)(_exps|_shexp)?\.weight$/,
} as const;

/**
 * A file type under the name that users of llama.cpp know: the type of most matrices, and of those that suffer more than
 * others from few bits, or less. The head (the embedding where both are one) is Q6_K below eight bits, or `head`.
 */
export interface Recipe extends Readonly<Partial<Record<keyof typeof KINDS, Rule>>> {
  /** `general.file_type`. Source: llama.h, enum llama_ftype. */
  readonly fileType: number;
  readonly base: EncodedType;
  readonly head?: EncodedType;
}

const IQ1 = {
  head: "Q5_K",
  embedding: "Q2_K",
  value: "Q4_K",
  output: "IQ2_XXS",
  down: ["firstEighth", "Q2_K"],
} as const;
const IQ2_X = { head: "Q5_K", embedding: "Q2_K", value: "Q4_K", down: ["firstEighth", "Q2_K"] } as const;
const IQ2_S = {
  head: "Q5_K",
  embedding: "IQ3_S",
  value: "Q4_K",
  output: "IQ3_S",
  down: ["firstEighth", "IQ3_S"],
} as const;
const IQ4 = { value: "Q5_K", down: ["firstEighth", "Q5_K"] } as const;

export const RECIPES = {
  F32: { fileType: 0, base: "F32" },
  F16: { fileType: 1, base: "F16" },
  BF16: { fileType: 32, base: "BF16" },
  Q8_0: { fileType: 7, base: "Q8_0" },
  Q4_0: { fileType: 2, base: "Q4_0" },
  Q4_1: { fileType: 3, base: "Q4_1" },
  Q5_0: { fileType: 8, base: "Q5_0" },
  Q5_1: { fileType: 9, base: "Q5_1" },
  Q2_K: { fileType: 10, base: "Q2_K", value: "Q4_K", output: "Q3_K", down: "Q3_K" },
  Q2_K_S: { fileType: 21, base: "Q2_K", value: "Q4_K", down: ["firstEighth", "Q4_K"] },
  Q3_K_S: { fileType: 11, base: "Q3_K" },
  Q3_K_M: {
    fileType: 12,
    base: "Q3_K",
    value: ["firstTwo", "Q5_K", "Q4_K"],
    output: "Q4_K",
    down: ["firstSixteenth", "Q5_K", "Q4_K"],
  },
  Q3_K_L: { fileType: 13, base: "Q3_K", value: "Q5_K", output: "Q5_K", down: "Q5_K" },
  Q4_K_S: { fileType: 14, base: "Q4_K", value: ["firstFour", "Q5_K"], down: ["firstEighth", "Q5_K"] },
  Q4_K_M: { fileType: 15, base: "Q4_K", value: ["some", "Q6_K"], down: ["some", "Q6_K"] },
  Q5_K_S: { fileType: 16, base: "Q5_K" },
  Q5_K_M: { fileType: 17, base: "Q5_K", value: ["some", "Q6_K"], down: ["some", "Q6_K"] },
  Q6_K: { fileType: 18, base: "Q6_K" },
  IQ4_NL: { fileType: 25, base: "IQ4_NL", ...IQ4 },
  IQ4_XS: { fileType: 30, base: "IQ4_XS", ...IQ4 },
  IQ3_M: { fileType: 27, base: "IQ3_S", value: "Q4_K", output: "Q4_K", down: ["firstEighth", "Q4_K"] },
  IQ3_S: { fileType: 26, base: "IQ3_S", value: "Q4_K" },
  IQ3_XS: { fileType: 22, base: "IQ3_S", value: "Q4_K", queryKey: "IQ3_XXS", gateUp: ["middle", "IQ3_XXS"] },
  IQ3_XXS: {
    fileType: 23,
    base: "IQ3_XXS",
    head: "Q5_K",
    embedding: "IQ3_S",
    value: "Q4_K",
    queryKey: "IQ2_S",
    output: "IQ3_S",
  },
  IQ2_M: { fileType: 29, base: "IQ2_S", ...IQ2_S },
  IQ2_S: { fileType: 28, base: "IQ2_XS", ...IQ2_S },
  IQ2_XS: { fileType: 20, base: "IQ2_XS", ...IQ2_X },
  IQ2_XXS: { fileType: 19, base: "IQ2_XXS", ...IQ2_X },
  IQ1_M: { fileType: 31, base: "IQ1_M", ...IQ1 },
  IQ1_S: { fileType: 24, base: "IQ1_S", ...IQ1 },
  TQ1_0: { fileType: 36, base: "TQ1_0", embedding: "Q4_K" },
  TQ2_0: { fileType: 37, base: "TQ2_0", embedding: "Q4_K" },
  MXFP4_MOE: { fileType: 38, base: "Q8_0", experts: "MXFP4" },
  NVFP4: { fileType: 39, base: "NVFP4" },
  Q1_0: { fileType: 40, base: "Q1_0" },
  Q2_0: { fileType: 41, base: "Q2_0", embedding: "Q4_K" },
} as const satisfies Record<string, Recipe>;

export type FileType = keyof typeof RECIPES;

/** Types so small that it has to be known what matters, and what a tensor becomes where that is unknown. */
const UNKNOWN: Partial<Record<EncodedType, EncodedType>> = {
  IQ1_S: "Q2_K",
  IQ1_M: "Q2_K",
  IQ2_XXS: "Q2_K",
  IQ2_XS: "Q2_K",
  IQ2_S: "Q2_K",
  IQ3_XXS: "IQ3_S",
};

/** Whether a file type has such types: it is refused without an importance matrix. */
export function needsImportance(type: FileType): boolean {
  return /^IQ[123]_/.test(type);
}

/** The type of a tensor whose importance is unknown: without it the smallest types are of no use. */
export function typeWithoutImportance(type: EncodedType): EncodedType {
  return UNKNOWN[type] ?? type;
}

/** Other names of file types. */
const ALIASES: Readonly<Record<string, FileType>> = {
  INT8: "Q8_0",
  INT4: "Q4_K_M",
  Q3_K: "Q3_K_M",
  Q4_K: "Q4_K_M",
  Q5_K: "Q5_K_M",
  MXFP4: "MXFP4_MOE",
};

/** The file type of a name in capitals or not, or null. */
export function fileTypeOf(name: string): FileType | null {
  const upper = name.toUpperCase();
  if (Object.hasOwn(ALIASES, upper)) return ALIASES[upper]!;
  return Object.hasOwn(RECIPES, upper) ? (upper as FileType) : null;
}

export interface Network {
  /** Blocks, MTP layers included. */
  readonly layers: number;
  /** The head is the embedding. */
  readonly tied: boolean;
}

/** True for what stays as it is: vectors, norms, the router and everything that is no weight. */
export function staysExact(name: string, shape: readonly number[]): boolean {
  return (
    shape.length < 2 || !name.endsWith(".weight") || /_norm\.weight$|norm\.weight$|ffn_gate_inp\.weight$/.test(name)
  );
}

/** The type of a matrix by its name alone; rows may not be whole blocks of it (see typeForRows). */
export function typeByName(name: string, recipe: Recipe, { layers, tied }: Network): EncodedType {
  const { base } = recipe;
  if (name === "output.weight" || (tied && name === "token_embd.weight")) {
    return recipe.head ?? (DTYPES[base].blockElements > 1 && base !== "Q8_0" ? "Q6_K" : base);
  }
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];
  const kind = kinds.find((each) => recipe[each] !== undefined && KINDS[each].test(name));
  const rule = kind ? recipe[kind]! : base;
  if (typeof rule === "string") return rule;
  const [which, to, others = base] = rule;
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  return layer !== undefined && LAYERS[which](Number(layer), layers) ? to : others;
}

/** What takes the place of types with long blocks in shorter rows. */
const SHORTER: readonly (readonly [RegExp, EncodedType])[] = [
  [/^(Q[23]_K|TQ[12]_0|Q[12]_0)$/, "Q4_0"],
  [/^Q4_K$/, "Q5_0"],
  [/^Q5_K$/, "Q5_1"],
  [/^Q6_K$/, "Q8_0"],
  [/^IQ/, "IQ4_NL"],
  [/^NVFP4$/, "MXFP4"],
];

/** The type itself where rows of `columns` are whole blocks of it, else the nearest with shorter blocks, at last F16. */
export function typeForRows(type: EncodedType, columns: number): EncodedType {
  const fits = (candidate: EncodedType) => columns % DTYPES[candidate].blockElements === 0;
  if (fits(type)) return type;
  const shorter = SHORTER.find(([types]) => types.test(type))?.[1];
  return shorter !== undefined && fits(shorter) ? shorter : "F16";
}
