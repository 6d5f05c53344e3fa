// The ops of a compiled plan, and what a step gives them. Pointers into the arena are fixed when the plan is read.
// The meaning of each op is in src/tensor/program.ts.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "cache.h"
#include "qgemm/qgemm.h"
#include "team.h"
#include "weight.h"

namespace dts {

/** The rows of one step: see Batch in src/tensor/backend.ts. Indices have been checked. */
struct Batch {
  const int32_t* tokens = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* sequences = nullptr;
  const uint8_t* kinds = nullptr;
  size_t rows = 0;
  const int32_t* logit_rows = nullptr;
  size_t logit_count = 0;
  /** All block tables one after the other; that of sequence s starts at table_starts[s]. */
  const int32_t* tables = nullptr;
  const int32_t* table_starts = nullptr;
};

/** A value in the arena: rows of `width` elements, seen as [.., last]. i32 values are read through `ints`. */
struct Tensor {
  float* data = nullptr;
  uint32_t width = 0;
  uint32_t last = 0;
  bool logit_rows = false;

  int32_t* ints() const { return reinterpret_cast<int32_t*>(data); }
  size_t rows(const Batch& batch) const { return logit_rows ? batch.logit_count : batch.rows; }
};

/** Cosine and sine for one set of frequencies, for all rows of the step: [rows, pairs] each. */
struct RopeTable {
  std::vector<double> frequencies;
  double magnitude;
  Buffer<float> cosines, sines;
};

struct EmbedOp { const Weight* table; Tensor out; };
struct RmsNormOp { Tensor x; const Weight* weight; double eps; Tensor out; };
struct LayerNormOp { Tensor x; const Weight* weight; const Weight* bias; double eps; Tensor out; };
/** A value rounded to int8 in blocks of 32: see kernels/cpu/qgemm/qgemm.h. */
struct QuantizeOp { Tensor x; qgemm::QBlock* out; };
/** `quantized` is x rounded: for a packed weight, and only for one. */
struct LinearOp { Tensor x; const qgemm::QBlock* quantized; const Weight* weight; const Weight* bias; Tensor out; };
struct RopeOp { Tensor x; const RopeTable* table; bool adjacent; Tensor out; };
struct SplitOp { Tensor x; std::vector<Tensor> outs; };
struct ConcatOp { std::vector<Tensor> xs; Tensor out; };
struct AddOp { Tensor a, b, out; };
struct SwigluOp { Tensor gate, up, out; };
struct CacheWriteOp { Tensor x; const CacheField* field; };
struct MlaAttentionOp {
  Tensor q_nope, q_rope;
  const CacheField* latent;
  const CacheField* k_rope;
  const Weight* key;
  const Weight* value;
  bool latent_major;
  float scale;
  bool selected;
  Tensor selection, out;
};
struct GqaAttentionOp {
  Tensor q;
  const CacheField* key;
  const CacheField* value;
  uint32_t kv_heads;
  float scale;
  Tensor out;
};
struct IndexerSelectOp { Tensor q, head_weights; const CacheField* key; uint32_t top_k; Tensor out; };
struct RouteExpertsOp {
  Tensor logits;
  const Weight* bias;
  bool sigmoid;
  uint32_t top_k;
  uint32_t groups, top_groups;
  bool sum_of_top2;
  bool normalize;
  double scale;
  Tensor scores, ids, weights;
};
struct ExpertsFfnOp {
  Tensor x, ids, weights;
  const Weight* gate;
  const Weight* up;
  const Weight* down;
  uint32_t experts;
  Tensor out;
  /** x rounded, where gate and up are packed. */
  const qgemm::QBlock* quantized;
};
struct GatherRowsOp { Tensor x, out; };

/** Memory that an op needs beside the arena; one for all ops, as they run one after the other. */
struct SharedScratch {
  Buffer<float> floats;
  Buffer<uint32_t> ints;
};

/** What ops see of the step under way. */
struct Step {
  /** Numerics: int8 activations on packed weights, and what attention makes of it. Otherwise exact. */
  bool fast = false;
  /** Products on packed weights and rounded values. */
  const qgemm::Table* products = nullptr;
  Batch batch;
  size_t max_rows = 0;
  size_t page_size = 0;
  SharedScratch scratch;

  /** Row of a cache field that holds a position of the sequence of batch row t. */
  size_t cache_row(size_t t, size_t position) const {
    const int32_t* table = batch.tables + batch.table_starts[batch.sequences[t]];
    return static_cast<size_t>(table[position / page_size]) * page_size + position % page_size;
  }
};

/** Carries out an op on row t of the step. */
template <class Op>
using RowKernel = void (*)(const Op&, const Step&, size_t t);

/** Every thread of the team calls the same function; all have returned from their share after it. */
template <class Op>
using TeamKernel = void (*)(const Op&, const Step&, Worker&);

/** The ops of one target. */
struct KernelTable {
  const char* name;
  /** Bits of cpu_features() that must be there. */
  uint32_t needs;
  /** The products on packed weights. */
  const qgemm::Table* products;
  void (*rope_angles)(RopeTable&, const Step&, Worker&);
  RowKernel<EmbedOp> embed;
  RowKernel<RmsNormOp> rms_norm;
  RowKernel<LayerNormOp> layer_norm;
  RowKernel<RopeOp> rope;
  RowKernel<SplitOp> split;
  RowKernel<ConcatOp> concat;
  RowKernel<AddOp> add;
  RowKernel<SwigluOp> swiglu;
  RowKernel<CacheWriteOp> cache_write;
  RowKernel<RouteExpertsOp> route_experts;
  RowKernel<GatherRowsOp> gather_rows;
  RowKernel<QuantizeOp> quantize;
  /** One band of kBand rows of the weight, for all rows of x. */
  void (*linear_band)(const LinearOp&, const Step&, Worker&, size_t band);
  TeamKernel<MlaAttentionOp> mla_attention;
  TeamKernel<GqaAttentionOp> gqa_attention;
  TeamKernel<IndexerSelectOp> indexer_select;
  TeamKernel<ExpertsFfnOp> experts_ffn;
  // No ops: what a core can reach (ops/peaks.inl).
  double (*multiply_adds)(size_t rounds, float* values);
  float (*read_floats)(const float* values, size_t n);
};

/** What ops ask for when a plan is read: floats for each thread, floats and ints for all together. */
struct ScratchNeed {
  size_t per_thread = 0;
  size_t floats = 0;
  size_t ints = 0;
};

}  // namespace dts
