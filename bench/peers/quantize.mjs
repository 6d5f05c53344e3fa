// What quantising loses, beside llama.cpp's own quantiser: errors on the same values by the same importance. And whether
// llama.cpp reads what DeepTS writes: of each file type, its greedy text and the KL of its logits from exact maths.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { RECIPES } from "../../dist/convert/quantize/recipe.mjs";
import { openGgufPath } from "../../dist/formats/open-path.mjs";
import { openEncoder } from "../../dist/node.mjs";
import { decodeBlocks } from "../../dist/tensor/decode/decode.mjs";
import { DEEPTS } from "./engines.mjs";
import { measureKl } from "./kl.mjs";
import { runProgram } from "./program.mjs";
import { median } from "./statistics.mjs";

/**
 * The file types of llama-quantize that, with --pure, make every matrix of one type; it has none for NVFP4 and MXFP4 alone, and
 * with Q1_0 and Q2_0 it refuses a model with any rows that are no whole blocks, as the embedded one has.
 */
const PURE = {
  ...{ Q4_0: "Q4_0", Q4_1: "Q4_1", Q5_0: "Q5_0", Q5_1: "Q5_1", Q8_0: "Q8_0" },
  ...{
    Q2_K: "Q2_K",
    Q3_K: "Q3_K_S",
    Q4_K: "Q4_K_S",
    Q5_K: "Q5_K_S",
    Q6_K: "Q6_K",
    IQ4_NL: "IQ4_NL",
    IQ4_XS: "IQ4_XS",
  },
  ...{
    IQ3_S: "IQ3_S",
    IQ3_XXS: "IQ3_XXS",
    IQ2_S: "IQ2_M",
    IQ2_XS: "IQ2_XS",
    IQ2_XXS: "IQ2_XXS",
    IQ1_M: "IQ1_M",
    IQ1_S: "IQ1_S",
  },
  ...{ TQ1_0: "TQ1_0", TQ2_0: "TQ2_0" },
};
const PROMPT = "Once upon a time, a sleepy fox named";
const ANSWER_TOKENS = 32;

/** @typedef {{ threads: number, say: (text: string) => void }} Options */

/**
 * @param {string} model a GGUF file; its values are taken as exact
 * @param {Options & { quantize: string }} options quantize: llama-quantize
 */
export function measureErrors(model, options) {
  return withExact(model, async (work) => {
    const errors = [];
    for (const type of Object.keys(PURE)) {
      for (const weighted of needsImportance(type) ? [true] : [false, true]) {
        options.say(`quantiser: ${type}${weighted ? " with importance" : ""}`);
        errors.push(await errorsOf(type, { ...work, weighted }, options));
      }
    }
    return { source: path.basename(model), errors };
  });
}

/**
 * @param {string} model a GGUF file
 * @param {Options & { completion: string, perplexity: string }} options programs of llama.cpp
 */
export function measureFiles(model, options) {
  return withExact(model, async (work) => {
    const files = [];
    for (const type of Object.keys(RECIPES)) {
      options.say(`file for llama.cpp: ${type}`);
      files.push(await readByBoth(type, work, options));
    }
    return { source: path.basename(model), files };
  });
}

/** A folder with the model as F32 and a seeded importance matrix of it. */
async function withExact(model, measure) {
  const folder = mkdtempSync(path.join(tmpdir(), "deepts-quantize-"));
  try {
    const exact = path.join(folder, "exact.gguf");
    await runProgram([...DEEPTS, "quantize", model, exact, "--type", "F32"]);
    const imatrix = path.join(folder, "imatrix.dat");
    const importance = await writeImportance(exact, imatrix);
    return await measure({ folder, exact, imatrix, importance });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const needsImportance = (type) => /^IQ[123]_/.test(type) && type !== "IQ3_S";

/** Writes a seeded importance matrix of all matrices of a model. @returns its numbers by the tensors' names */
async function writeImportance(model, out) {
  const file = await openGgufPath(model);
  const importance = new Map();
  let state = 54321;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const part = (state >>> 0) / 2 ** 32;
    return 0.01 + 10 * part ** 4;
  };
  const int = (value) => Buffer.from(Int32Array.of(value).buffer);
  const pieces = [];
  for (const { name, shape } of file.tensors.values()) {
    if (shape.length < 2) continue;
    const matrices = shape.length > 2 ? shape[0] : 1;
    const values = Float32Array.from({ length: matrices * shape.at(-1) }, next);
    importance.set(name, { values, rows: shape.at(-2) });
    pieces.push(int(name.length), Buffer.from(name), int(1), int(values.length), Buffer.from(values.buffer));
  }
  await file.close();
  writeFileSync(out, Buffer.concat([int(importance.size), ...pieces]));
  return importance;
}

/** Sums over all tensors that are of the type in llama.cpp's file: sum w (x - stored)^2 of both, by sum w x^2. */
async function errorsOf(type, { folder, exact, imatrix, importance, weighted }, { quantize, threads }) {
  const out = path.join(folder, "theirs.gguf");
  const flags = weighted ? ["--imatrix", imatrix] : [];
  await runProgram([quantize, "--pure", ...flags, exact, out, PURE[type], String(threads)]);
  const [from, theirs] = await Promise.all([openGgufPath(exact), openGgufPath(out)]);
  const encoder = await openEncoder({ threads });
  const sums = { values: 0, deepts: 0, llamaCpp: 0 };
  let tensors = 0;
  try {
    for (const [name, entry] of theirs.tensors) {
      if (entry.dtype !== type) continue;
      tensors++;
      const columns = entry.shape.at(-1);
      const bytes = await from.tensors.get(name).read();
      const weights = weighted ? importance.get(name) : undefined;
      const job = { from: "F32", bytes, columns, to: type, ...(weights && { importance: weights }) };
      const ours = await encoder.encode(job);
      const x = decoded("F32", bytes, bytes.length / 4);
      const stored = {
        values: null,
        deepts: decoded(type, ours, x.length),
        llamaCpp: decoded(type, await entry.read(), x.length),
      };
      for (const [side, y] of Object.entries(stored)) sums[side] += squares(x, y, weights, columns);
    }
  } finally {
    encoder.close();
    await Promise.all([from.close(), theirs.close()]);
    rmSync(out);
  }
  const [deepts, llamaCpp] = [sums.deepts / sums.values, sums.llamaCpp / sums.values];
  return {
    type,
    weighted,
    tensors,
    deepts: digits(deepts),
    llamaCpp: digits(llamaCpp),
    ratio: digits(deepts / llamaCpp),
  };
}

function decoded(type, bytes, length) {
  const out = new Float32Array(length);
  decodeBlocks(type, bytes, out);
  return out;
}

/** sum w (x - y)^2; y null is zero. */
function squares(x, y, weights, columns) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const matrix = weights ? Math.floor(i / (columns * weights.rows)) : 0;
    const weight = weights ? weights.values[matrix * columns + (i % columns)] : 1;
    sum += weight * (x[i] - (y ? y[i] : 0)) ** 2;
  }
  return sum;
}

const digits = (value) => Number(value.toPrecision(5));

async function readByBoth(type, { folder, exact, imatrix }, { completion, perplexity, threads }) {
  const file = path.join(folder, `${type}.gguf`);
  await runProgram([...DEEPTS, "quantize", exact, file, "--type", type, "--imatrix", imatrix]);
  try {
    const about = ["--model", file, "--prompt", PROMPT, "--threads", String(threads), "--temperature", "0"];
    const ours = await runProgram([
      ...[...DEEPTS, "generate", ...about, "--raw", "--numerics", "exact", "--max-tokens", String(ANSWER_TOKENS)],
    ]);
    const flags = ["--no-conversation", "--no-warmup", "--no-display-prompt", "--ctx-size", "512"];
    const theirs = await runProgram([completion, ...about, ...flags, "--n-predict", String(ANSWER_TOKENS)]);
    const kl = await measureKl(file, { perplexity, threads, say: () => {} });
    return {
      type,
      greedy: { deepts: ours.stdout.trim(), llamaCpp: theirs.stdout.trim() },
      kl: { rows: kl.rows, llamaCpp: summary(kl.llamaCpp), deeptsFast: summary(kl.deepts) },
    };
  } finally {
    rmSync(file);
  }
}

const summary = ({ mean, kl }) => ({ mean: digits(mean), median: digits(median(kl)) });
