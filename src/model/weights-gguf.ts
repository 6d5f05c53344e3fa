import { FormatError } from "../errors.ts";
import type { TensorEntry, TensorFile } from "../formats/tensor-file.ts";
import type { KvB } from "../tensor/recorder.ts";
import type { WeightSource } from "../tensor/weight.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerWeightName, ModelWeights } from "./weights.ts";
import { cutWeight, rowCount, wholeWeight, wrong } from "./weights.ts";
import { cutKvB } from "./weights-hf.ts";

/** Tensor names of `blk.<i>.` in GGUF; null where the format has none. Source: gguf-py constants, MODEL_TENSOR. */
export const GGUF_LAYER_TENSORS: Record<LayerWeightName, string | null> = {
  attnNorm: "attn_norm.weight",
  q: "attn_q.weight",
  k: "attn_k.weight",
  v: "attn_v.weight",
  o: "attn_output.weight",
  qBias: "attn_q.bias",
  kBias: "attn_k.bias",
  vBias: "attn_v.bias",
  qA: "attn_q_a.weight",
  qANorm: "attn_q_a_norm.weight",
  qB: "attn_q_b.weight",
  kvA: "attn_kv_a_mqa.weight",
  kvANorm: "attn_kv_a_norm.weight",
  indexerQB: null,
  indexerK: null,
  indexerKNorm: null,
  indexerKNormBias: null,
  indexerHeadWeights: null,
  ffnNorm: "ffn_norm.weight",
  gate: "ffn_gate.weight",
  up: "ffn_up.weight",
  down: "ffn_down.weight",
  router: "ffn_gate_inp.weight",
  routerBias: "exp_probs_b.bias",
  expertsGate: "ffn_gate_exps.weight",
  expertsUp: "ffn_up_exps.weight",
  expertsDown: "ffn_down_exps.weight",
  sharedGate: "ffn_gate_shexp.weight",
  sharedUp: "ffn_up_shexp.weight",
  sharedDown: "ffn_down_shexp.weight",
  enorm: "nextn.enorm.weight",
  hnorm: "nextn.hnorm.weight",
  ehProj: "nextn.eh_proj.weight",
  mtpEmbed: "nextn.embed_tokens.weight",
  mtpHead: "nextn.shared_head_head.weight",
  mtpHeadNorm: "nextn.shared_head_norm.weight",
};

/** Gate and up projection of all experts in one tensor, gate rows first. */
const MERGED_EXPERTS = "ffn_gate_up_exps.weight";

/** The weights of a GGUF file. */
export class GgufWeights implements ModelWeights {
  readonly #file: TensorFile;
  readonly #config: ModelConfig;

  constructor(file: TensorFile, config: ModelConfig) {
    this.#file = file;
    this.#config = config;
  }

  get embed(): WeightSource {
    return wholeWeight("embed", this.#entry("token_embd.weight"));
  }

  get head(): WeightSource {
    return this.#config.tieWordEmbeddings ? this.embed : wholeWeight("head", this.#entry("output.weight"));
  }

  get finalNorm(): WeightSource {
    return wholeWeight("finalNorm", this.#entry("output_norm.weight"));
  }

  has(layer: number, name: LayerWeightName): boolean {
    return this.#file.tensors.has(tensorName(layer, name));
  }

  layer(layer: number, name: LayerWeightName): WeightSource {
    const own = `layers.${layer}.${name}`;
    const merged = this.#file.tensors.get(`blk.${layer}.${MERGED_EXPERTS}`);
    if (merged && (name === "expertsGate" || name === "expertsUp")) return this.#half(own, merged, name);
    return wholeWeight(own, this.#entry(tensorName(layer, name)));
  }

  kvB(layer: number): KvB {
    const legacy = this.#file.tensors.get(`blk.${layer}.attn_kv_b.weight`);
    if (legacy && !this.#file.tensors.has(`blk.${layer}.attn_k_b.weight`)) {
      return cutKvB(layer, { entry: legacy, firstRow: 0, rows: rowCount(legacy.shape), scales: null }, this.#config);
    }
    return {
      key: wholeWeight(`layers.${layer}.kvBKey`, this.#entry(`blk.${layer}.attn_k_b.weight`)),
      keyLayout: "latentMajor",
      value: wholeWeight(`layers.${layer}.kvBValue`, this.#entry(`blk.${layer}.attn_v_b.weight`)),
    };
  }

  #half(own: string, merged: TensorEntry, name: "expertsGate" | "expertsUp"): WeightSource {
    const [experts, rows, columns] = merged.shape;
    if (merged.shape.length !== 3 || rows! % 2 !== 0) {
      throw wrong(merged, `has the shape [${merged.shape}]; want [experts, 2 * inter, hidden]`);
    }
    const inter = rows! / 2;
    const offset = name === "expertsGate" ? 0 : inter;
    const cuts = Array.from({ length: experts! }, (_, e) => ({
      entry: merged,
      firstRow: e * rows! + offset,
      rows: inter,
      scales: null,
    }));
    return cutWeight(own, [experts!, inter, columns!], cuts);
  }

  #entry(tensor: string): TensorEntry {
    const entry = this.#file.tensors.get(tensor);
    if (!entry) throw new FormatError(this.#file.name, 0, `tensor ${tensor} is missing`);
    return entry;
  }
}

function tensorName(layer: number, name: LayerWeightName): string {
  return `blk.${layer}.${GGUF_LAYER_TENSORS[name] ?? name}`;
}
