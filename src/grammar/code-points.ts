/** A set of Unicode scalar values as ascending, disjoint, inclusive ranges: lo, hi, lo, hi, ... */
export type CodePoints = readonly number[];

const MAX = 0x10ffff;
const SURROGATES: CodePoints = [0xd800, 0xdfff];

/** All scalar values: every code point but the surrogates. */
export const ANY: CodePoints = [0, 0xd7ff, 0xe000, MAX];

/** Sorts and joins ranges in any order; surrogates are left out. */
export function codePoints(...ranges: readonly (readonly [lo: number, hi: number])[]): CodePoints {
  const sorted = [...ranges].filter(([lo, hi]) => lo <= hi).sort((a, b) => a[0] - b[0]);
  const joined: number[] = [];
  for (const [lo, hi] of sorted) {
    if (joined.length > 0 && lo <= joined.at(-1)! + 1) joined[joined.length - 1] = Math.max(joined.at(-1)!, hi);
    else joined.push(lo, hi);
  }
  return intersection(joined, ANY);
}

export function union(...sets: readonly CodePoints[]): CodePoints {
  return codePoints(...sets.flatMap((set) => pairs(set)));
}

/** All scalar values that are not in the set. */
export function complement(set: CodePoints): CodePoints {
  const ranges: [number, number][] = [];
  let next = 0;
  for (const [lo, hi] of pairs(union(set, []))
    .concat(pairs(SURROGATES))
    .sort((a, b) => a[0] - b[0])) {
    if (lo > next) ranges.push([next, lo - 1]);
    next = Math.max(next, hi + 1);
  }
  if (next <= MAX) ranges.push([next, MAX]);
  return codePoints(...ranges);
}

export function intersection(a: CodePoints, b: CodePoints): CodePoints {
  const both: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const lo = Math.max(a[i]!, b[j]!);
    const hi = Math.min(a[i + 1]!, b[j + 1]!);
    if (lo <= hi) both.push(lo, hi);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return both;
}

export function difference(a: CodePoints, b: CodePoints): CodePoints {
  return intersection(a, complement(b));
}

export function pairs(set: CodePoints): [lo: number, hi: number][] {
  const ranges: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!]);
  return ranges;
}

/** Byte ranges, one for each byte of a character's UTF-8. */
export type ByteSequence = readonly (readonly [lo: number, hi: number])[];

const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, MAX];

/** The UTF-8 of a set as alternatives of byte sequences; disjoint. */
export function utf8Sequences(set: CodePoints): ByteSequence[] {
  const sequences: ByteSequence[] = [];
  for (const [lo, hi] of pairs(set)) splitByLength(lo, hi, sequences);
  return sequences;
}

function splitByLength(lo: number, hi: number, sequences: ByteSequence[]): void {
  for (const last of LAST_OF_LENGTH) {
    if (lo > last) continue;
    splitByTail(lo, Math.min(hi, last), sequences);
    if (hi <= last) return;
    lo = last + 1;
  }
}

/** Splits a range of one length until each of its bytes ranges independently of the others. */
function splitByTail(lo: number, hi: number, sequences: ByteSequence[]): void {
  const from = utf8(lo);
  const to = utf8(hi);
  for (let tail = 1; tail < from.length; tail++) {
    const mask = (1 << (6 * tail)) - 1; // the last `tail` continuation bytes
    if ((lo & ~mask) === (hi & ~mask)) continue;
    if ((lo & mask) !== 0) {
      splitByTail(lo, lo | mask, sequences);
      return splitByTail((lo | mask) + 1, hi, sequences);
    }
    if ((hi & mask) !== mask) {
      splitByTail(lo, (hi & ~mask) - 1, sequences);
      return splitByTail(hi & ~mask, hi, sequences);
    }
  }
  sequences.push(from.map((byte, i) => [byte, to[i]!]));
}

function utf8(point: number): number[] {
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)];
  const tail = [0x80 | ((point >> 6) & 63), 0x80 | (point & 63)];
  if (point < 0x10000) return [0xe0 | (point >> 12), ...tail];
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), ...tail];
}
