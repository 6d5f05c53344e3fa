import { FormatError } from "../errors.ts";
import type { TensorEntry, TensorFile } from "../formats/tensor-file.ts";
import type { KvB } from "../tensor/recorder.ts";
import type { WeightSource } from "../tensor/weight.ts";
import type { ModelConfig } from "./config.ts";
import type { Cut, LayerWeightName, ModelWeights, ScaleMatrix } from "./weights.ts";
import { cutWeight, rowCount, wholeWeight, wrong } from "./weights.ts";

/** Tensor names of `model.layers.<i>.` in Hugging Face checkpoints; {e} stands for the expert. */
const LAYER_TENSORS: Record<LayerWeightName, string> = {
  attnNorm: "input_layernorm.weight",
  q: "self_attn.q_proj.weight",
  k: "self_attn.k_proj.weight",
  v: "self_attn.v_proj.weight",
  o: "self_attn.o_proj.weight",
  qBias: "self_attn.q_proj.bias",
  kBias: "self_attn.k_proj.bias",
  vBias: "self_attn.v_proj.bias",
  qA: "self_attn.q_a_proj.weight",
  qANorm: "self_attn.q_a_layernorm.weight",
  qB: "self_attn.q_b_proj.weight",
  kvA: "self_attn.kv_a_proj_with_mqa.weight",
  kvANorm: "self_attn.kv_a_layernorm.weight",
  indexerQB: "self_attn.indexer.wq_b.weight",
  indexerK: "self_attn.indexer.wk.weight",
  indexerKNorm: "self_attn.indexer.k_norm.weight",
  indexerKNormBias: "self_attn.indexer.k_norm.bias",
  indexerHeadWeights: "self_attn.indexer.weights_proj.weight",
  ffnNorm: "post_attention_layernorm.weight",
  gate: "mlp.gate_proj.weight",
  up: "mlp.up_proj.weight",
  down: "mlp.down_proj.weight",
  router: "mlp.gate.weight",
  routerBias: "mlp.gate.e_score_correction_bias",
  expertsGate: "mlp.experts.{e}.gate_proj.weight",
  expertsUp: "mlp.experts.{e}.up_proj.weight",
  expertsDown: "mlp.experts.{e}.down_proj.weight",
  sharedGate: "mlp.shared_experts.gate_proj.weight",
  sharedUp: "mlp.shared_experts.up_proj.weight",
  sharedDown: "mlp.shared_experts.down_proj.weight",
  enorm: "enorm.weight",
  hnorm: "hnorm.weight",
  ehProj: "eh_proj.weight",
  mtpEmbed: "embed_tokens.weight",
  mtpHead: "shared_head.head.weight",
  mtpHeadNorm: "shared_head.norm.weight",
};

/** The weights of a Hugging Face checkpoint. */
export class HfWeights implements ModelWeights {
  readonly #file: TensorFile;
  readonly #config: ModelConfig;
  readonly #fp8Block: readonly [number, number] | null;

  /** @param fp8Block rows and columns that share an FP8 scale; null: no tensor may be FP8 */
  constructor(file: TensorFile, config: ModelConfig, fp8Block: readonly [number, number] | null) {
    this.#file = file;
    this.#config = config;
    this.#fp8Block = fp8Block;
  }

  get embed(): WeightSource {
    return this.#whole("embed", "model.embed_tokens.weight");
  }

  get head(): WeightSource {
    return this.#config.tieWordEmbeddings ? this.embed : this.#whole("head", "lm_head.weight");
  }

  get finalNorm(): WeightSource {
    return this.#whole("finalNorm", "model.norm.weight");
  }

  has(layer: number, name: LayerWeightName): boolean {
    return this.#file.tensors.has(tensorName(layer, name));
  }

  layer(layer: number, name: LayerWeightName): WeightSource {
    const own = `layers.${layer}.${name}`;
    const tensor = tensorName(layer, name);
    if (!tensor.includes("{e}")) return this.#whole(own, tensor);
    const experts = Array.from({ length: this.#config.moe!.numRoutedExperts }, (_, e) =>
      this.#cut(tensor.replace("{e}", String(e))),
    );
    const { shape } = experts[0]!.entry;
    for (const { entry } of experts) {
      if (entry.shape.join() !== shape.join()) throw wrong(entry, `has the shape [${entry.shape}]; want [${shape}]`);
    }
    return cutWeight(own, [experts.length, ...shape], experts);
  }

  /** Rows of kv_b_proj are per head: first nope rows of the key, then v rows of the value. */
  kvB(layer: number): KvB {
    const whole = this.#cut(`model.layers.${layer}.self_attn.kv_b_proj.weight`);
    return cutKvB(layer, whole, this.#config);
  }

  #whole(name: string, tensor: string): WeightSource {
    const { entry, scales } = this.#cut(tensor);
    return wholeWeight(name, entry, scales);
  }

  #cut(tensor: string): Cut {
    const entry = this.#entry(tensor);
    return { entry, firstRow: 0, rows: rowCount(entry.shape), scales: this.#scales(entry) };
  }

  #entry(tensor: string): TensorEntry {
    const entry = this.#file.tensors.get(tensor);
    if (!entry) throw new FormatError(this.#file.name, 0, `tensor ${tensor} is missing`);
    return entry;
  }

  #scales(entry: TensorEntry): ScaleMatrix | null {
    if (entry.dtype !== "F8_E4M3") return null;
    if (!this.#fp8Block) throw wrong(entry, "is FP8, but config.json has no quantization_config with its block size");
    const [blockRows, blockCols] = this.#fp8Block;
    return { entry: this.#entry(`${entry.name}_scale_inv`), blockRows, blockCols };
  }
}

/** Both halves of a kv_b_proj in one piece: Hugging Face's, and that of old GGUF files. */
export function cutKvB(layer: number, whole: Cut, config: ModelConfig): KvB {
  const { attention } = config;
  if (attention.kind !== "mla") throw new Error("kv_b belongs to latent attention");
  const { numHeads, qkNopeHeadDim: nope, vHeadDim: v, kvLoraRank } = attention;
  const { entry } = whole;
  if (entry.shape.join() !== [numHeads * (nope + v), kvLoraRank].join()) {
    throw wrong(entry, `has the shape [${entry.shape}]; the config wants [${numHeads * (nope + v)},${kvLoraRank}]`);
  }
  const part = (name: string, offset: number, rows: number) =>
    cutWeight(
      `layers.${layer}.${name}`,
      [numHeads, rows, kvLoraRank],
      Array.from({ length: numHeads }, (_, h) => ({ ...whole, firstRow: h * (nope + v) + offset, rows })),
    );
  return { key: part("kvBKey", 0, nope), keyLayout: "nopeMajor", value: part("kvBValue", nope, v) };
}

function tensorName(layer: number, name: LayerWeightName): string {
  return `model.layers.${layer}.${LAYER_TENSORS[name]}`;
}
