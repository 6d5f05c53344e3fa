import type { StoredType } from "./tensor-file.ts";

/**
 * The value types of GGUF metadata by name, with their numbers.
 * Source: ggml docs/gguf.md, enum gguf_metadata_value_type.
 */
export const GGUF_VALUE_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

export type GgufValueType = keyof typeof GGUF_VALUE_TYPES;

/** Numbers of the ggml types that are not weight types (those are in tensor/dtype.ts). Source: ggml.h. */
export const GGUF_OTHER_TYPES: ReadonlyMap<StoredType, number> = new Map<StoredType, number>([
  ["I8", 24],
  ["I16", 25],
  ["I32", 26],
  ["I64", 27],
  ["F64", 28],
]);

/** GGML_MAX_DIMS. */
export const GGUF_MAX_DIMENSIONS = 4;

/** Numbers of 64 bits are bigint only where a JavaScript number cannot hold them. */
export type GgufValue =
  | { readonly type: "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64"; readonly value: number }
  | { readonly type: "u64" | "i64"; readonly value: number | bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | GgufArray;

/** Number lists may be typed arrays, so that a vocabulary's scores take no more memory than in the file. */
export type GgufArray =
  | {
      readonly type: "array";
      readonly of: "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";
      readonly value: ArrayLike<number>;
    }
  | { readonly type: "array"; readonly of: "u64" | "i64"; readonly value: ArrayLike<number | bigint> }
  | { readonly type: "array"; readonly of: "bool"; readonly value: ArrayLike<boolean> }
  | { readonly type: "array"; readonly of: "string"; readonly value: ArrayLike<string> }
  | { readonly type: "array"; readonly of: "array"; readonly value: ArrayLike<GgufArray> };

/** "GGUF" read as a little-endian u32. */
export const GGUF_MAGIC = 0x46554747;

/** Where `general.alignment` is absent. */
export const GGUF_DEFAULT_ALIGNMENT = 32;

/** Smallest multiple of `alignment` that is not below `offset`. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
