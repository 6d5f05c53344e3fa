// Loads packed weights of some size, and says in JSON by how much the process grew: at the end, and at most on the way there.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCpu } from "../../src/backends/cpu/backend.ts";
import { rowBytes } from "../../src/tensor/dtype.ts";
import type { WeightSource } from "../../src/tensor/weight.ts";

const WEIGHTS = 8;
const [ROWS, COLS] = [8192, 4096];

function statusBytes(field: string): number {
  const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`^${field}:\\s*(\\d+) kB`, "m"));
  return Number(line![1]) * 1024;
}

const folder = mkdtempSync(path.join(tmpdir(), "deepts-peak-"));
try {
  // All hole: nothing is written, but its pages count like any others.
  const file = path.join(folder, "weights");
  const bytes = ROWS * rowBytes("Q8_0", COLS);
  closeSync(openSync(file, "w"));
  truncateSync(file, WEIGHTS * bytes);
  const backend = openCpu({ threads: 2 });
  const before = statusBytes("VmRSS");
  let loaded = 0;
  for (let i = 0; i < WEIGHTS; i++) {
    const read = () => Promise.reject(new Error("it is to be mapped"));
    const segment = { rows: ROWS, file, path: file, offset: i * bytes, byteLength: bytes, read };
    const source: WeightSource = { name: `w${i}`, dtype: "Q8_0", shape: [ROWS, COLS], segments: [segment] };
    loaded += (await backend.loadWeight(source, new Set(["linear"]), "fast")).bytes;
  }
  const growth = statusBytes("VmRSS") - before;
  const peak = Math.max(growth, statusBytes("VmHWM") - before);
  backend.close();
  console.log(JSON.stringify({ loaded, growth, peak }));
} finally {
  rmSync(folder, { recursive: true });
}
