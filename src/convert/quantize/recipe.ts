import { DTYPES } from "../../tensor/dtype.ts";
import type { EncodedType } from "../../tensor/encoder.ts";

/** Which layers: all, the first so many, the first part of them, or the first and last eighth and every third between. */
type Layers = "all" | "some" | { readonly first: number } | { readonly firstPart: number };

/** The type of the tensors in `layers`, and of the same tensors in all others. */
interface Raised {
  readonly to: EncodedType;
  readonly layers: Layers;
  readonly else?: EncodedType;
}

/**
 * A file type under the name that users of llama.cpp know: the type of most matrices, and of those that suffer most from
 * few bits. `value`: attn_v, and what latent attention has in its place (kv_b); `down`: ffn_down, of experts too;
 * `output`: attn_output. The head (the embedding where both are one) is Q6_K below eight bits.
 */
export interface Recipe {
  /** `general.file_type`. Source: llama.h, enum llama_ftype. */
  readonly fileType: number;
  readonly base: EncodedType;
  readonly value?: Raised;
  readonly down?: Raised;
  readonly output?: Raised;
}

const EIGHTH = { firstPart: 8 } as const;

export const RECIPES = {
  F32: { fileType: 0, base: "F32" },
  F16: { fileType: 1, base: "F16" },
  BF16: { fileType: 32, base: "BF16" },
  Q8_0: { fileType: 7, base: "Q8_0" },
  Q4_0: { fileType: 2, base: "Q4_0" },
  Q4_1: { fileType: 3, base: "Q4_1" },
  Q5_0: { fileType: 8, base: "Q5_0" },
  Q5_1: { fileType: 9, base: "Q5_1" },
  Q2_K: {
    fileType: 10,
    base: "Q2_K",
    value: { to: "Q4_K", layers: "all" },
    down: { to: "Q3_K", layers: "all" },
    output: { to: "Q3_K", layers: "all" },
  },
  Q2_K_S: {
    fileType: 21,
    base: "Q2_K",
    value: { to: "Q4_K", layers: "all" },
    down: { to: "Q4_K", layers: EIGHTH },
  },
  Q3_K_S: { fileType: 11, base: "Q3_K" },
  Q3_K_M: {
    fileType: 12,
    base: "Q3_K",
    value: { to: "Q5_K", layers: { first: 2 }, else: "Q4_K" },
    down: { to: "Q5_K", layers: { firstPart: 16 }, else: "Q4_K" },
    output: { to: "Q4_K", layers: "all" },
  },
  Q3_K_L: {
    fileType: 13,
    base: "Q3_K",
    value: { to: "Q5_K", layers: "all" },
    down: { to: "Q5_K", layers: "all" },
    output: { to: "Q5_K", layers: "all" },
  },
  Q4_K_S: {
    fileType: 14,
    base: "Q4_K",
    value: { to: "Q5_K", layers: { first: 4 } },
    down: { to: "Q5_K", layers: EIGHTH },
  },
  Q4_K_M: {
    fileType: 15,
    base: "Q4_K",
    value: { to: "Q6_K", layers: "some" },
    down: { to: "Q6_K", layers: "some" },
  },
  Q5_K_S: { fileType: 16, base: "Q5_K" },
  Q5_K_M: {
    fileType: 17,
    base: "Q5_K",
    value: { to: "Q6_K", layers: "some" },
    down: { to: "Q6_K", layers: "some" },
  },
  Q6_K: { fileType: 18, base: "Q6_K" },
  IQ4_NL: { fileType: 25, base: "IQ4_NL", value: { to: "Q5_K", layers: "all" }, down: { to: "Q5_K", layers: EIGHTH } },
  IQ4_XS: { fileType: 30, base: "IQ4_XS", value: { to: "Q5_K", layers: "all" }, down: { to: "Q5_K", layers: EIGHTH } },
} as const satisfies Record<string, Recipe>;

export type FileType = keyof typeof RECIPES;

/** Other names of file types. */
const ALIASES: Readonly<Record<string, FileType>> = {
  INT8: "Q8_0",
  INT4: "Q4_K_M",
  Q3_K: "Q3_K_M",
  Q4_K: "Q4_K_M",
  Q5_K: "Q5_K_M",
};

/** The file type of a name in capitals or not, or null. */
export function fileTypeOf(name: string): FileType | null {
  const upper = name.toUpperCase();
  if (Object.hasOwn(ALIASES, upper)) return ALIASES[upper]!;
  return Object.hasOwn(RECIPES, upper) ? (upper as FileType) : null;
}

/** Which kind of tensor a name is, as far as recipes tell kinds apart. */
const KINDS: readonly (readonly [kind: "value" | "down" | "output", pattern: RegExp])[] = [
  ["value", /\.(attn_v|attn_qkv|attn_kv_b|attn_k_b|attn_v_b)\.weight$/],
  ["down", /\.ffn_down(_exps|_shexp)?\.weight$/],
  ["output", /\.attn_output\.weight$/],
];

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
  const isHead = name === "output.weight" || (tied && name === "token_embd.weight");
  if (isHead) return DTYPES[recipe.base].blockElements > 1 && recipe.base !== "Q8_0" ? "Q6_K" : recipe.base;
  const kind = KINDS.find(([, pattern]) => pattern.test(name))?.[0];
  const raised = kind && recipe[kind];
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  if (!raised || layer === undefined) return recipe.base;
  return isRaised(Number(layer), layers, raised.layers) ? raised.to : (raised.else ?? recipe.base);
}

function isRaised(layer: number, layers: number, which: Layers): boolean {
  if (which === "all") return true;
  if (which === "some") {
    const eighth = Math.floor(layers / 8);
    return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
  }
  return layer < ("first" in which ? which.first : Math.floor(layers / which.firstPart));
}

/** What takes the place of types with blocks of 256 in shorter rows. */
const SHORTER: Partial<Record<EncodedType, EncodedType>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
  IQ4_XS: "IQ4_NL",
};

/** The type itself where rows of `columns` are whole blocks of it, else the nearest with shorter blocks, at last F16. */
export function typeForRows(type: EncodedType, columns: number): EncodedType {
  const fits = (candidate: EncodedType) => columns % DTYPES[candidate].blockElements === 0;
  if (fits(type)) return type;
  const shorter = SHORTER[type];
  return shorter !== undefined && fits(shorter) ? shorter : "F16";
}
