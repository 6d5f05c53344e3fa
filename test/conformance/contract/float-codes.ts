import { describe, expect } from "vitest";
import { readWeight } from "../../../src/tensor/decode/read-weight.ts";
import { DTYPES, type DType } from "../../../src/tensor/dtype.ts";
import type { Program } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import type { WeightSource } from "../../../src/tensor/weight.ts";
import { NO_CACHE, plainBatch } from "../cases/batches.ts";
import { type Harness, runAndRead } from "./session.ts";

/** More than a vector of any target, and one more for what is left over. */
const COLUMNS = 33;
/** Codes of 16 bits are tried in pieces: the rows of one weight. */
const PIECE = 2 ** 13;

/** Every code of the small float formats, NaNs and subnormals among them, multiplied by one. */
export function floatCodes({ test }: Harness): void {
  for (const dtype of ["F8_E4M3", "F16", "BF16"] as const) {
    describe(dtype, () => {
      for (let first = 0; first < 256 ** DTYPES[dtype].blockBytes; first += PIECE) {
        const weight = codes(dtype, first);
        const program = productProgram(weight);
        test(`codes from ${first} have their values, for few rows and for many`, [program], async (s) => {
          const values = await readWeight(weight);
          const executable = await s.compile(program);
          for (const rows of [1, 9]) {
            for (const column of [0, COLUMNS - 1]) {
              const x = new Float32Array(rows * COLUMNS);
              for (let t = 0; t < rows; t++) x[t * COLUMNS + column] = 1;
              const { out } = await runAndRead(executable, plainBatch(rows), { x });
              const count = out!.length / rows;
              const wrong = out!.findIndex((got, i) => {
                // One finite code in a row of which all are alike: an infinity times zero is NaN.
                const stored = values[(i % count) * COLUMNS]!;
                const want = Number.isFinite(stored) ? stored : Number.NaN;
                return !(got === want || (Number.isNaN(got) && Number.isNaN(want)));
              });
              expect(wrong === -1 ? null : `code ${first + (wrong % count)} gave ${out![wrong]}`).toBeNull();
            }
          }
        });
      }
    });
  }
}

function productProgram(weight: WeightSource): Program {
  const g = new Recorder("codes", NO_CACHE);
  g.output("out", g.linear(g.input("x", COLUMNS), weight));
  return g.finish();
}

/** Row r holds code first + r in every column. */
function codes(dtype: DType, first: number): WeightSource {
  const width = DTYPES[dtype].blockBytes;
  const rows = Math.min(PIECE, 256 ** width - first);
  const bytes = new Uint8Array(rows * COLUMNS * width);
  for (let i = 0; i < rows * COLUMNS; i++) {
    const code = first + Math.floor(i / COLUMNS);
    for (let b = 0; b < width; b++) bytes[i * width + b] = (code >> (8 * b)) & 255;
  }
  const segment = { rows, file: "codes", offset: 0, byteLength: bytes.length, read: async () => bytes };
  return { name: "codes", dtype, shape: [rows, COLUMNS], segments: [segment] };
}
