import type { TensorFile } from "../formats/tensor-file.ts";
import type { CacheHandle, Numerics } from "../tensor/backend.ts";
import type { Program } from "../tensor/program.ts";

/** Tensors of which bytes are read; of more than that every second, third ... is. */
const MAX_SAMPLES = 4096;
/** Read from the middle of a tensor. */
const SAMPLE_BYTES = 256;

export interface ComputedBy {
  readonly program: Program;
  readonly numerics: Numerics;
  readonly cache: CacheHandle;
  readonly deterministic: boolean;
  /** Modification time of the weights. */
  readonly modified: number;
}

/**
 * What the contents of a cache page depend on, beside its tokens, as a hash in hex: the recorded network with all its numbers,
 * names, types and shapes of the tensors with bytes of each, and what computes. A whole file of weights takes minutes to read;
 * weights that were trained further differ in every tensor they changed.
 */
export async function networkFingerprint(
  { tensors }: TensorFile,
  { program, numerics, cache, deterministic, modified }: ComputedBy,
): Promise<string> {
  const { ops, cache: layout } = program;
  const { pageFormat } = cache;
  const facts = { ops, layout, pageFormat, numerics, deterministic, modified };
  const parts: Uint8Array[] = [new TextEncoder().encode(JSON.stringify(facts))];
  const every = Math.ceil(tensors.size / MAX_SAMPLES);
  let index = 0;
  for (const entry of tensors.values()) {
    const { name, dtype, shape, byteLength } = entry;
    parts.push(new TextEncoder().encode(JSON.stringify([name, dtype, shape])));
    if (index++ % every > 0) continue;
    const length = Math.min(SAMPLE_BYTES, byteLength);
    parts.push(await entry.readRange(Math.floor((byteLength - length) / 2), length));
  }
  return hex(await crypto.subtle.digest("SHA-256", await new Blob(parts as BlobPart[]).arrayBuffer()));
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
