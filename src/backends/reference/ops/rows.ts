/**
 * Ops that look at one row at a time. `rows` counts rows of `width` elements; every function writes all of `out`.
 * Sums are carried in double precision, as JavaScript's numbers are.
 */

/** out[t] = table[tokens[t]] */
export function embed(tokens: Int32Array, table: Float32Array, width: number, out: Float32Array): void {
  for (let t = 0; t < tokens.length; t++) {
    const row = tokens[t]! * width;
    out.set(table.subarray(row, row + width), t * width);
  }
}

/** out = x / sqrt(mean(x^2) + eps) * weight */
export function rmsNorm(x: Float32Array, weight: Float32Array, eps: number, out: Float32Array): void {
  const width = weight.length;
  for (let row = 0; row < x.length; row += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[row + i]! * x[row + i]!;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) out[row + i] = x[row + i]! * scale * weight[i]!;
  }
}

/** out = (x - mean) / sqrt(variance + eps) * weight + bias */
export function layerNorm(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  eps: number,
  out: Float32Array,
): void {
  const width = weight.length;
  for (let row = 0; row < x.length; row += width) {
    let mean = 0;
    for (let i = 0; i < width; i++) mean += x[row + i]! / width;
    let variance = 0;
    for (let i = 0; i < width; i++) variance += (x[row + i]! - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < width; i++) out[row + i] = (x[row + i]! - mean) * scale * weight[i]! + bias[i]!;
  }
}

export function add(a: Float32Array, b: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + b[i]!;
}

/** out = silu(gate) * up */
export function swiglu(gate: Float32Array, up: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = silu(gate[i]!) * up[i]!;
}

/** z / (1 + exp(-z)): the gate of every feed-forward block of the family. */
export function silu(z: number): number {
  return z / (1 + Math.exp(-z));
}

/** Cuts rows of sum(widths) elements into outs, one per width. */
export function split(x: Float32Array, widths: readonly number[], outs: readonly Float32Array[]): void {
  const width = widths.reduce((a, b) => a + b, 0);
  let from = 0;
  for (const [part, partWidth] of widths.entries()) {
    const out = outs[part]!;
    for (let row = 0; row * width < x.length; row++) {
      const start = row * width + from;
      out.set(x.subarray(start, start + partWidth), row * partWidth);
    }
    from += partWidth;
  }
}

/** The inverse of split. */
export function concat(xs: readonly Float32Array[], widths: readonly number[], out: Float32Array): void {
  const width = widths.reduce((a, b) => a + b, 0);
  let from = 0;
  for (const [part, partWidth] of widths.entries()) {
    const x = xs[part]!;
    for (let row = 0; row * width < out.length; row++) {
      out.set(x.subarray(row * partWidth, (row + 1) * partWidth), row * width + from);
    }
    from += partWidth;
  }
}

/** out[r] = x[rows[r]] */
export function gatherRows<A extends Float32Array | Int32Array>(x: A, rows: Int32Array, width: number, out: A): void {
  for (let r = 0; r < rows.length; r++) {
    const start = rows[r]! * width;
    out.set(x.subarray(start, start + width), r * width);
  }
}
