import { HeaderBuilder } from "../src/formats/header-builder.ts";

interface RawTensor {
  name?: string;
  dimensions?: number;
  shape?: number[];
  type?: number;
  offset?: number;
}

export interface RawGguf {
  version?: number;
  tensorCount?: number | bigint;
  metadataCount?: number | bigint;
  metadata?: (h: HeaderBuilder) => unknown;
  tensors?: RawTensor[];
}

/** A GGUF file by its fields, which may lie. By default a tensor is 8 floats at offset 0. */
export function rawGguf(
  { version = 3, tensorCount, metadataCount, metadata, tensors = [] }: RawGguf,
  padding = 64,
): Uint8Array {
  const h = new HeaderBuilder();
  h.bytes(new TextEncoder().encode("GGUF"));
  h.u32(version);
  h.u64(tensorCount ?? tensors.length);
  h.u64(metadataCount ?? (metadata ? 1 : 0));
  metadata?.(h);
  for (const [
    i,
    { name = `t${i}`, shape = [8], dimensions = shape.length, type = 0, offset = 0 },
  ] of tensors.entries()) {
    putText(h, name);
    h.u32(dimensions);
    for (const length of shape) h.u64(length);
    h.u32(type);
    h.u64(offset);
  }
  h.zeros(padding);
  return h.finish();
}

/** ASCII text with its length before it. */
export function putText(h: HeaderBuilder, string: string): void {
  h.u64(string.length);
  h.bytes(new TextEncoder().encode(string));
}

/** A metadata key and the number of its value type; the value comes next. */
export function putKey(h: HeaderBuilder, key: string, type: number): HeaderBuilder {
  putText(h, key);
  h.u32(type);
  return h;
}
