import type { DType } from "../../../src/tensor/dtype.ts";
import type { CacheField, CacheFieldName, CacheLayout, Program } from "../../../src/tensor/program.ts";
import { Recorder } from "../../../src/tensor/recorder.ts";
import { Random } from "../random.ts";
import { randomWeight } from "../weights.ts";

// Small Programs for what a backend promises beyond the meaning of each op.

export const PAGE_SIZE = 8;
export const VOCAB = 50;
const HEADS = 2;
const HEAD_DIM = 12;
/** Elements of a row of each input of `attentionProgram`. */
export const ATTENTION_INPUTS = { q: HEADS * HEAD_DIM, key: HEAD_DIM, value: HEAD_DIM };

/** A cache of two layers of keys and values. */
export const ATTENTION_CACHE = layout([
  { key: HEAD_DIM, value: HEAD_DIM },
  { key: HEAD_DIM, value: HEAD_DIM },
]);

/** Writes key and value to one layer of ATTENTION_CACHE and attends. */
export function attentionProgram(layer = 0): Program {
  const g = new Recorder(`attention ${layer}`, ATTENTION_CACHE);
  const q = g.input("q", HEADS, HEAD_DIM);
  g.cacheWrite(layer, "key", g.input("key", HEAD_DIM));
  g.cacheWrite(layer, "value", g.input("value", HEAD_DIM));
  g.output("out", g.gqaAttention(layer, q, 1, HEAD_DIM ** -0.5));
  return g.finish();
}

/** Attends to what other Programs have written, and writes nothing. */
export function readingProgram(layer = 0): Program {
  const g = new Recorder(`reading ${layer}`, ATTENTION_CACHE);
  g.output("out", g.gqaAttention(layer, g.input("q", HEADS, HEAD_DIM), 1, HEAD_DIM ** -0.5));
  return g.finish();
}

/** x -> y = x + x, of this width. */
export function doublingProgram(width: number): Program {
  const g = new Recorder("doubling", layout([]));
  const x = g.input("x", width);
  g.output("y", g.add(x, x));
  return g.finish();
}

/** A residual chain: values that live long, briefly, and not at all after they are made. @param all names every value as an output */
export function residualProgram(all: boolean): Program {
  const random = new Random(7);
  const g = new Recorder("residual", layout([]));
  let x = g.input("x", 33);
  for (let i = 0; i < 4; i++) {
    const normed = g.rmsNorm(x, randomWeight(random, `norm${i}`, "F32", [33]), 1e-6);
    const wide = g.linear(normed, randomWeight(random, `up${i}`, "F32", [66, 33]));
    const [gate, up] = g.split(wide, [33, 33]);
    const active = g.swiglu(gate, up);
    g.concat([active, normed]);
    x = g.add(x, active);
    if (all) for (const [k, value] of [normed, wide, gate, up, active, x].entries()) g.output(`${i}.${k}`, value);
  }
  g.output("out", x);
  return g.finish();
}

/** One decoder layer in the shape of DeepSeek-V3 from token to logits, with all matrices of one type. */
export function layerProgram(dtype: DType): Program {
  const [hidden, heads, nope, rope, latent, v, experts] = [256, 4, 32, 16, 256, 64, 4];
  const random = new Random(11);
  const matrix = (name: string, ...shape: number[]) => randomWeight(random, name, dtype, shape);
  const vector = (name: string, width: number) => randomWeight(random, name, "F32", [width]);
  const frequencies = Array.from({ length: rope / 2 }, (_, j) => 10000 ** ((-2 * j) / rope));
  const rotation = { frequencies, magnitude: 1 };
  const g = new Recorder(`layer ${dtype}`, layout([{ latent, kRope: rope }]));

  const x = g.embed(matrix("embed", VOCAB, hidden));
  const normed = g.rmsNorm(x, vector("attnNorm", hidden), 1e-6);
  const q = g.linear(normed, matrix("q", heads * (nope + rope), hidden), { dims: [heads, nope + rope] });
  const [qNope, qRope] = g.split(q, [nope, rope]);
  const [c, kRope] = g.split(g.linear(normed, matrix("kvA", latent + rope, hidden)), [latent, rope]);
  g.cacheWrite(0, "latent", g.rmsNorm(c, vector("kvNorm", latent), 1e-6));
  g.cacheWrite(0, "kRope", g.rope(kRope, "adjacent", rotation));
  const kvB = {
    key: matrix("kvBKey", heads, nope, latent),
    keyLayout: "nopeMajor" as const,
    value: matrix("kvBValue", heads, v, latent),
  };
  const heard = g.mlaAttention(0, qNope, g.rope(qRope, "adjacent", rotation), kvB, (nope + rope) ** -0.5);
  const attended = g.add(x, g.linear(heard, matrix("o", hidden, heads * v)));

  const ffnIn = g.rmsNorm(attended, vector("ffnNorm", hidden), 1e-6);
  const logits = g.linear(ffnIn, randomWeight(random, "router", "F32", [experts, hidden]));
  const groups = { count: 2, topGroups: 1, score: "sumOfTop2" } as const;
  const routing = { scoring: "sigmoid", topK: 2, groups, normalize: true, scale: 2.5 } as const;
  const routed = g.expertsFfn(ffnIn, g.routeExperts(logits, vector("routerBias", experts), routing), {
    gate: matrix("gate", experts, hidden, hidden),
    up: matrix("up", experts, hidden, hidden),
    down: matrix("down", experts, hidden, hidden),
  });
  const out = g.add(attended, routed);
  g.output("hidden", out);
  g.output("logits", g.linear(g.gatherRows(out), matrix("head", VOCAB, hidden)));
  return g.finish();
}

function layout(layers: Partial<Record<CacheFieldName, number>>[]): CacheLayout {
  const fields = (widths: Partial<Record<CacheFieldName, number>>) =>
    Object.entries(widths).map(([name, width]): CacheField => ({ name: name as CacheFieldName, width, dtype: "f32" }));
  return { pageSize: PAGE_SIZE, layers: layers.map(fields) };
}
