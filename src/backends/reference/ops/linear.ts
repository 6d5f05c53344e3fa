/**
 * out[t][o] = sum_i weight[o][i] * x[t][i] (+ bias[o])
 *
 * Four output rows at a time, so that an element of x is loaded once for four products; the order of summation does
 * not depend on the number of rows.
 * @param x      [T, inWidth]
 * @param weight [outWidth, inWidth]
 * @param out    [T, outWidth]
 */
export function linear(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  inWidth: number,
  outWidth: number,
  out: Float32Array,
): void {
  const rows = x.length / inWidth;
  let o = 0;
  for (; o + 4 <= outWidth; o += 4) {
    const w0 = o * inWidth;
    const w1 = w0 + inWidth;
    const w2 = w1 + inWidth;
    const w3 = w2 + inWidth;
    for (let t = 0; t < rows; t++) {
      const row = t * inWidth;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (let i = 0; i < inWidth; i++) {
        const xi = x[row + i]!;
        sum0 += xi * weight[w0 + i]!;
        sum1 += xi * weight[w1 + i]!;
        sum2 += xi * weight[w2 + i]!;
        sum3 += xi * weight[w3 + i]!;
      }
      const at = t * outWidth + o;
      out[at] = sum0;
      out[at + 1] = sum1;
      out[at + 2] = sum2;
      out[at + 3] = sum3;
    }
  }
  for (; o < outWidth; o++) {
    for (let t = 0; t < rows; t++) out[t * outWidth + o] = dot(x, t * inWidth, weight, o * inWidth, inWidth);
  }
  if (bias) {
    for (let t = 0; t < rows; t++) {
      for (let i = 0; i < outWidth; i++) out[t * outWidth + i]! += bias[i]!;
    }
  }
}

/** sum_i a[aStart + i] * b[bStart + i] */
export function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}
