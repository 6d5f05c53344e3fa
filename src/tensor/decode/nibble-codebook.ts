/**
 * Decodes `count` bytes of 4-bit codes: the low nibbles are the first `count` elements, the high nibbles the next.
 * w = scale * codebook[code]
 */
export function decodeNibbles(
  bytes: Uint8Array,
  at: number,
  count: number,
  scale: number,
  codebook: Int8Array,
  out: Float32Array,
  o: number,
): void {
  for (let i = 0; i < count; i++) {
    const codes = bytes[at + i]!;
    out[o + i] = scale * codebook[codes & 15]!;
    out[o + count + i] = scale * codebook[codes >> 4]!;
  }
}
