import type { RopePairs } from "../../../src/tensor/program.ts";
import { type Exact, exactDot, exactRow, exactZeros, setExact } from "./exact.ts";

// Textbook loops for the ops that look at one row at a time. `width` is the length of what an op works on.

export function embed(table: Float32Array, tokens: Int32Array, width: number): Exact {
  const out = exactZeros(tokens.length * width);
  for (let t = 0; t < tokens.length; t++) {
    const row = table.subarray(tokens[t]! * width, (tokens[t]! + 1) * width);
    // The largest of the row, since in a block type an element is a difference of numbers of that size.
    const largest = row.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    out.values.set(row, t * width);
    out.scale.fill(largest, t * width, (t + 1) * width);
  }
  return out;
}

export function rmsNorm(x: Exact, weight: Float32Array, eps: number): Exact {
  const width = weight.length;
  const out = exactZeros(x.values.length);
  for (let start = 0; start < x.values.length; start += width) {
    let squares = 0;
    let squaresScale = 0;
    for (let i = 0; i < width; i++) {
      squares += x.values[start + i]! ** 2;
      squaresScale += Math.abs(x.values[start + i]!) * x.scale[start + i]!;
    }
    const inverse = 1 / Math.sqrt(squares / width + eps);
    const inverseScale = squaresScale / (squares + width * eps);
    for (let i = 0; i < width; i++) {
      const value = x.values[start + i]!;
      out.values[start + i] = value * inverse * weight[i]!;
      out.scale[start + i] = (x.scale[start + i]! + Math.abs(value) * inverseScale) * inverse * Math.abs(weight[i]!);
    }
  }
  return out;
}

export function layerNorm(x: Exact, weight: Float32Array, bias: Float32Array, eps: number): Exact {
  const width = weight.length;
  const out = exactZeros(x.values.length);
  for (let start = 0; start < x.values.length; start += width) {
    let mean = 0;
    let meanScale = 0;
    for (let i = 0; i < width; i++) {
      mean += x.values[start + i]! / width;
      meanScale += x.scale[start + i]! / width;
    }
    let variance = 0;
    let varianceScale = 0;
    for (let i = 0; i < width; i++) {
      const centred = x.values[start + i]! - mean;
      variance += centred ** 2 / width;
      varianceScale += (Math.abs(centred) * (x.scale[start + i]! + meanScale)) / width;
    }
    const inverse = 1 / Math.sqrt(variance + eps);
    const inverseScale = varianceScale / (variance + eps);
    for (let i = 0; i < width; i++) {
      const centred = x.values[start + i]! - mean;
      const centredScale = x.scale[start + i]! + meanScale + Math.abs(centred) * inverseScale;
      out.values[start + i] = centred * inverse * weight[i]! + bias[i]!;
      out.scale[start + i] = centredScale * inverse * Math.abs(weight[i]!) + Math.abs(bias[i]!);
    }
  }
  return out;
}

export function linear(x: Exact, weight: Float32Array, bias: Float32Array | null, inWidth: number): Exact {
  const rows = x.values.length / inWidth;
  const outWidth = weight.length / inWidth;
  const out = exactZeros(rows * outWidth);
  for (let t = 0; t < rows; t++) {
    const row = exactRow(x, t, inWidth);
    for (let o = 0; o < outWidth; o++) {
      const { value, scale } = exactDot(weight, o * inWidth, row);
      out.values[t * outWidth + o] = value + (bias?.[o] ?? 0);
      out.scale[t * outWidth + o] = scale + Math.abs(bias?.[o] ?? 0);
    }
  }
  return out;
}

/** @param rowWidth elements of one token's row; `width` of them (a head) are rotated together */
export function rope(
  x: Exact,
  positions: Int32Array,
  rowWidth: number,
  width: number,
  pairs: RopePairs,
  frequencies: readonly number[],
  magnitude: number,
): Exact {
  const out = exactZeros(x.values.length);
  for (let start = 0; start < x.values.length; start += width) {
    const position = positions[Math.floor(start / rowWidth)]!;
    for (let j = 0; j < width / 2; j++) {
      const a = start + (pairs === "adjacent" ? 2 * j : j);
      const b = start + (pairs === "adjacent" ? 2 * j + 1 : j + width / 2);
      const cos = Math.cos(position * frequencies[j]!);
      const sin = Math.sin(position * frequencies[j]!);
      out.values[a] = magnitude * (x.values[a]! * cos - x.values[b]! * sin);
      out.values[b] = magnitude * (x.values[a]! * sin + x.values[b]! * cos);
      // Not times |cos| and |sin|: their own errors are relative to 1.
      out.scale[a] = out.scale[b] = Math.abs(magnitude) * (x.scale[a]! + x.scale[b]!);
    }
  }
  return out;
}

export function split(x: Exact, widths: readonly number[]): Exact[] {
  const total = widths.reduce((a, b) => a + b, 0);
  const count = x.values.length / total;
  let skipped = 0;
  return widths.map((width) => {
    const part = exactZeros(count * width);
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < width; i++) {
        part.values[r * width + i] = x.values[r * total + skipped + i]!;
        part.scale[r * width + i] = x.scale[r * total + skipped + i]!;
      }
    }
    skipped += width;
    return part;
  });
}

export function concat(xs: readonly Exact[], widths: readonly number[]): Exact {
  const count = xs[0]!.values.length / widths[0]!;
  const out = exactZeros(xs.reduce((sum, x) => sum + x.values.length, 0));
  let at = 0;
  for (let r = 0; r < count; r++) {
    for (const [k, x] of xs.entries()) {
      setExact(out, at, exactRow(x, r, widths[k]!));
      at += widths[k]!;
    }
  }
  return out;
}

export function add(a: Exact, b: Exact): Exact {
  return { values: a.values.map((v, i) => v + b.values[i]!), scale: a.scale.map((s, i) => s + b.scale[i]!) };
}

export function swiglu(gate: Exact, up: Exact): Exact {
  const out = exactZeros(gate.values.length);
  for (let i = 0; i < gate.values.length; i++) {
    const { value, scale } = silu(gate.values[i]!, gate.scale[i]!);
    out.values[i] = value * up.values[i]!;
    out.scale[i] = scale * Math.abs(up.values[i]!) + Math.abs(value) * up.scale[i]!;
  }
  return out;
}

/** z / (1 + exp(-z)) */
export function silu(z: number, scale: number): { value: number; scale: number } {
  const sigmoid = 1 / (1 + Math.exp(-z));
  const slope = sigmoid * (1 + z * (1 - sigmoid));
  return { value: z * sigmoid, scale: Math.abs(z * sigmoid) + Math.abs(slope) * scale };
}

export function gatherRows(x: Exact, rows: Int32Array, width: number): Exact {
  const out = exactZeros(rows.length * width);
  for (const [k, row] of rows.entries()) setExact(out, k * width, exactRow(x, row, width));
  return out;
}
