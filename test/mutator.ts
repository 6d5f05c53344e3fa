/** Numbers at which size arithmetic goes wrong. */
const EXTREMES = [
  0n,
  1n,
  2n ** 7n,
  2n ** 16n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 61n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Damages bytes in the ways that files are damaged, and in those that people try. The same seed, the same damage. */
export class Mutator {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b9);
  }

  /** A changed copy; changes start in the first `region` bytes. */
  mutate(bytes: Uint8Array, region: number): Uint8Array {
    let copy: Uint8Array = bytes.slice();
    const rounds = 1 + this.#below(3);
    for (let i = 0; i < rounds; i++) copy = this.#once(copy, Math.min(region, copy.length));
    return copy;
  }

  #once(bytes: Uint8Array, region: number): Uint8Array {
    if (region === 0) return bytes;
    const at = this.#below(region);
    switch (this.#below(7)) {
      case 0:
        bytes[at]! ^= 1 << this.#below(8);
        return bytes;
      case 1:
        bytes[at] = this.#below(256);
        return bytes;
      case 2:
        return bytes.slice(0, at);
      case 3: {
        // A splice: some bytes go, some from elsewhere in the file come in their place.
        const from = this.#below(region);
        const piece = bytes.subarray(from, from + this.#below(24));
        const rest = bytes.subarray(at + this.#below(24));
        return Uint8Array.from(Buffer.concat([bytes.subarray(0, at), piece, rest]));
      }
      case 4:
      case 5:
        return this.#extremeField(bytes, region);
      default:
        return this.#extremeDigits(bytes, at, region);
    }
  }

  /** A u32 or u64 becomes an extreme number. Fields lie at even places more often than not. */
  #extremeField(bytes: Uint8Array, region: number): Uint8Array {
    const width = this.#below(2) === 0 ? 4 : 8;
    if (bytes.length < width) return bytes;
    // Half of the time one of the counts and lengths at the very start.
    const start = this.#below(2) === 0 ? 4 * this.#below(8) : this.#below(region);
    const at = Math.min(start, bytes.length - width);
    const value = EXTREMES[this.#below(EXTREMES.length)]!;
    for (let i = 0; i < width; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
    return bytes;
  }

  /** The next number in text after `at` becomes another one. */
  #extremeDigits(bytes: Uint8Array, at: number, region: number): Uint8Array {
    const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;
    let start = at;
    while (start < region && !isDigit(bytes[start])) start++;
    let end = start;
    while (end < region && isDigit(bytes[end])) end++;
    const texts = [String(EXTREMES[this.#below(EXTREMES.length)]), "-1", "0.5", "1e300", "null", '"x"', "[[[["];
    const text = new TextEncoder().encode(texts[Math.max(0, this.#below(12) - 5)]);
    return Uint8Array.from(Buffer.concat([bytes.subarray(0, start), text, bytes.subarray(end)]));
  }

  /** A whole number from 0 to limit - 1 (mulberry32). */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * limit);
  }
}
