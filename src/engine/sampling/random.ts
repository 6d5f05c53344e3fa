const MASK64 = (1n << 64n) - 1n;

/**
 * Seeded random numbers: xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it), its 128 bits of state filled
 * by two steps of splitmix64. Integer arithmetic only, so a seed gives the same sequence on every machine.
 */
export class Random {
  private s0: number;
  private s1: number;
  private s2: number;
  private s3: number;

  /** @param seed taken modulo 2^64 */
  constructor(seed: bigint) {
    const first = splitmix64(seed + GAMMA);
    const second = splitmix64(seed + 2n * GAMMA);
    this.s0 = Number(first & 0xffffffffn) | 0;
    this.s1 = Number(first >> 32n) | 0;
    this.s2 = Number(second & 0xffffffffn) | 0;
    this.s3 = Number(second >> 32n) | 0;
  }

  /** The next integer of [0, 2^32). */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.s1, 5), 7), 9) >>> 0;
    const shifted = this.s1 << 9;
    this.s2 ^= this.s0;
    this.s3 ^= this.s1;
    this.s1 ^= this.s2;
    this.s0 ^= this.s3;
    this.s2 ^= shifted;
    this.s3 = rotateLeft(this.s3, 11);
    return result;
  }

  /** The next multiple of 2^-53 in [0, 1), from two integers. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
}

/** A seed nobody chose. */
export function freshSeed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

const GAMMA = 0x9e3779b97f4a7c15n;

/** The output function of splitmix64, a bijection: two states never both give 0, which xoshiro could not leave. */
export function splitmix64(state: bigint): bigint {
  let z = state & MASK64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return z ^ (z >> 31n);
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
