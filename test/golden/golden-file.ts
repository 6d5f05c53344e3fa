import { openSafetensorsPath } from "../../src/formats/open-path.ts";

/** One array of a golden.safetensors. */
export interface GoldenArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** All arrays of a golden.safetensors by name. */
export async function readGolden(file: string): Promise<Map<string, GoldenArray>> {
  const opened = await openSafetensorsPath(file);
  try {
    const arrays = new Map<string, GoldenArray>();
    for (const { name, dtype, shape, read } of opened.tensors.values()) {
      if (dtype !== "F32" && dtype !== "I32") throw new Error(`${file}: ${name} is ${dtype}`);
      const { buffer } = (await read()).slice();
      arrays.set(name, { shape, values: dtype === "F32" ? new Float32Array(buffer) : new Int32Array(buffer) });
    }
    return arrays;
  } finally {
    await opened.close();
  }
}
