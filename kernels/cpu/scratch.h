// Sizes of blocks that ops work in, and the memory they need for it.
#pragma once
#include <algorithm>

#include "step.h"

namespace dts {

/** Rows of a weight that are decoded at once. */
constexpr size_t kTile = 16;
/** Rows of x that meet a tile together: a multiple of every target's dot_cols. */
constexpr size_t kInputs = 30;
/** Rows of a weight that are one piece of work: a multiple of kTile, of the lanes of every qgemm table, and of their blocks' columns. */
constexpr size_t kBand = 32;
/** Cached positions whose softmax is taken at once. Fixed, and counted from position 0: results do not depend on the batch. */
constexpr size_t kSplit = 256;
/**
 * The same in fast attention to so many entries: equal parts, two for each 1024 entries, but at most 64. Each costs a pass over
 * the sums, and its first entries are seldom there ahead of time.
 */
inline constexpr size_t split_of(size_t entries) {
  const size_t parts = 2 * std::min<size_t>((entries + 1023) / 1024, 32);
  return std::max(kSplit, (entries + parts - 1) / parts);
}
/** Limit of the router: its intermediate results lie on the stack. */
constexpr size_t kMaxExperts = 1024;
/** Limit of attention, likewise. */
constexpr size_t kMaxHeads = 1024;
/** Rows of a step that attention takes at once. */
constexpr size_t kAttentionRows = 32;
/** Blocks of positions whose partial results are held at once. */
constexpr size_t kPartials = 64;

/** Queries and widths of fast attention are filled up to a multiple of this, which all targets' lanes divide. */
constexpr size_t kPad = 16;
inline constexpr size_t padded(size_t n) { return (n + kPad - 1) / kPad * kPad; }
/** Rows whose starts differ in all bits that choose a cache set. */
inline constexpr size_t odd_stride(size_t n) { return padded(n) / kPad % 2 == 0 ? padded(n) + kPad : padded(n); }
/** Positions that fast attention takes at once: of a generated row, of prompt rows, and while it expands latents. */
constexpr size_t kChunk = 64, kPromptChunk = 128, kExpanded = 32;
/** Of a generated row, where latents of f16 become integers. */
constexpr size_t kWideChunk = qgemm::kWideRows;
static_assert(kChunk == qgemm::kStoredRows && kChunk <= kWideChunk && kPad % qgemm::kMixColumns == 0);
/** Queries of a prompt that are computed together. */
constexpr size_t kPromptQueries = 32;

/** Fast attention: `groups` of query heads that read the same keys of `depth` and values of `width`. */
struct FlashShape {
  size_t groups, heads, depth, width;
  float scale;
  /** Query heads of a group, filled up. */
  size_t lanes() const { return padded(heads); }
  /** Where values start in a row of a chunk that holds keys before them. */
  size_t value_at() const { return padded(depth); }
  size_t stride() const { return odd_stride(value_at() + padded(width)); }
};

/** What a thread needs for the prompt rows of a step. */
struct PromptScratch {
  PromptScratch(const FlashShape& s, size_t max_rows, size_t latent) {
    const size_t queries = (max_rows * s.heads + kPromptQueries - 1) / kPromptQueries * kPromptQueries;
    flipped = 0;
    mean = flipped + queries * s.depth;
    peak = mean + queries * padded(s.width);
    mass = peak + queries;
    limits = mass + queries;
    chunk = limits + queries;
    scores = chunk + kPromptChunk * s.stride();
    latents = scores + (kPromptChunk + 1) * kPromptQueries;
    key = latents + kExpanded * odd_stride(latent);
    value = key + latent * padded(s.depth);
    row = value + latent * padded(s.width);
    total = row + latent + s.depth;
  }
  size_t flipped, mean, peak, mass, limits, chunk, scores, latents, key, value, row, total;
};

/** Where attention keeps its intermediate results in SharedScratch::floats. */
struct AttentionScratch {
  /** @param absorbed width of an absorbed query, or 0; @param values width of a cached value */
  AttentionScratch(size_t heads, size_t absorbed, size_t values, size_t flipped_row = 0) {
    queries = 0;
    mean = queries + kAttentionRows * heads * absorbed;
    peak = mean + kAttentionRows * heads * values;
    mass = peak + kAttentionRows * heads;
    part_mean = mass + kAttentionRows * heads;
    part_peak = part_mean + kPartials * heads * values;
    part_mass = part_peak + kPartials * heads;
    flipped = part_mass + kPartials * heads;
    total = flipped + kAttentionRows * flipped_row;
  }
  size_t queries, mean, peak, mass, part_mean, part_peak, part_mass, flipped, total;
};

/** Pieces of work of a linear layer. */
inline size_t bands_of(const LinearOp& op) { return (op.weight->rows + kBand - 1) / kBand; }

/** Floats that decoding a tile of a weight takes. */
inline size_t tile_floats(const Weight& w) { return w.dtype == DType::F32 && w.run_rows == w.rows ? 0 : kTile * w.cols; }

inline ScratchNeed need(const LinearOp& op, const Step&) { return {op.quantized ? 0 : tile_floats(*op.weight), 0, 0}; }

/** Whether attention runs in the form of attention_fast.inl, which reads caches of every type. */
inline bool is_fast(const MlaAttentionOp& op, const Step& step) {
  return step.fast || op.latent->dtype != DType::F32 || op.k_rope->dtype != DType::F32;
}
inline bool is_fast(const GqaAttentionOp& op, const Step& step) {
  return step.fast || op.key->dtype != DType::F32 || op.value->dtype != DType::F32;
}

/** Whether generated rows take the latents as integers: those of Q8_0, and those of f16 where products of such are faster. */
inline bool takes_codes(const MlaAttentionOp& op, const Step& step) {
  if (!step.fast || op.latent->width % qgemm::kColumnsPerBlock != 0) return false;
  const bool wide = op.latent->dtype == DType::F16 && op.k_rope->dtype == DType::F16 && op.k_rope->width % qgemm::kColumnsPerBlock == 0;
  return op.latent->dtype == DType::Q8_0 || (wide && step.products->read_f16);
}

/** Floats of a thread that those of f16 take: factors and scores, and a chunk of them with their steps. */
inline size_t wide_floats(const MlaAttentionOp& op, size_t lanes) {
  const size_t width = op.latent->width + op.k_rope->width;
  return (kWideChunk + 1) * lanes + padded(width / qgemm::kColumnsPerBlock) + kWideChunk * width / 2;
}

/** Whether kvBKey is packed in matrices [latent, nope], which absorb a query with one product. */
inline bool absorbs_packed(const MlaAttentionOp& op) { return op.latent_major && op.key->packed.table; }

/** All heads read the latents: as keys together with the rope key, and as values. */
inline FlashShape absorbed_shape(const MlaAttentionOp& op) {
  const size_t latent = op.latent->width;
  return {1, op.q_nope.width / op.q_nope.last, latent + op.k_rope->width, latent, op.scale};
}
inline FlashShape expanded_shape(const MlaAttentionOp& op) {
  const size_t heads = op.q_nope.width / op.q_nope.last;
  return {heads, 1, op.q_nope.last + op.k_rope->width, op.out.width / heads, op.scale};
}
inline FlashShape shape_of(const GqaAttentionOp& op) {
  return {op.kv_heads, op.q.width / op.q.last / op.kv_heads, op.q.last, op.q.last, op.scale};
}

/** Shared by all threads, for generated rows. */
inline AttentionScratch flash_scratch(const FlashShape& s, size_t absorbed) {
  const size_t lanes = s.groups * s.lanes();
  return {lanes, absorbed, padded(s.width), lanes * s.depth};
}

inline ScratchNeed flash_need(const FlashShape& generated, size_t absorbed, const FlashShape& prompt, size_t latent,
                              const Step& step) {
  const size_t rows = kChunk * generated.stride() + (kChunk + 1) * generated.lanes();
  return {std::max(rows, PromptScratch(prompt, step.max_rows, latent).total), flash_scratch(generated, absorbed).total, 0};
}

inline ScratchNeed need(const MlaAttentionOp& op, const Step& step) {
  const size_t heads = op.q_nope.width / op.q_nope.last;
  if (is_fast(op, step)) {
    ScratchNeed fast = flash_need(absorbed_shape(op), op.latent->width, expanded_shape(op), op.latent->width, step);
    const size_t latent = op.latent->width, rounded = std::max<size_t>(latent, op.q_nope.last) / qgemm::kColumnsPerBlock * kAttentionRows;
    const size_t packed = latent + rounded * sizeof(qgemm::QBlock) / sizeof(float);
    const size_t wide = op.latent->dtype == DType::F16 && takes_codes(op, step) ? wide_floats(op, absorbed_shape(op).lanes()) : 0;
    fast.per_thread = std::max({fast.per_thread, tile_floats(*op.key), tile_floats(*op.value), packed, wide});
    return fast;
  }
  const AttentionScratch layout(heads, op.latent->width, op.latent->width);
  return {std::max({2 * heads * kSplit, tile_floats(*op.key), tile_floats(*op.value)}), layout.total, 0};
}

inline ScratchNeed need(const GqaAttentionOp& op, const Step& step) {
  if (is_fast(op, step)) return flash_need(shape_of(op), 0, shape_of(op), 0, step);
  const size_t heads = op.q.width / op.q.last;
  return {2 * heads * kSplit, AttentionScratch(heads, 0, op.q.last).total, 0};
}

inline ScratchNeed need(const IndexerSelectOp& op, const Step& step, size_t pages) {
  const size_t heads = op.q.width / op.q.last;
  return {kTile * (heads + op.q.last) + 2 * pages * step.page_size, 0, 0};
}

/** Rows that packed experts take at once. */
constexpr size_t kExpertRows = 64;

/** Memory of the experts: SharedScratch::floats holds `inner` [slots, inter], then the same rounded to int8. */
struct ExpertsScratch {
  ExpertsScratch(const ExpertsFfnOp& op, size_t slots) {
    quantized = slots * op.down->cols;
    const size_t blocks = op.down->packed.table ? slots * op.down->cols / qgemm::kColumnsPerBlock : 0;
    total = quantized + blocks * sizeof(qgemm::QBlock) / sizeof(float);
  }
  size_t quantized, total;
};

inline ScratchNeed need(const ExpertsFfnOp& op, const Step& step) {
  const size_t slots = step.max_rows * op.ids.width;
  return {
      tile_floats(*op.gate) + tile_floats(*op.up) + tile_floats(*op.down) + std::max(2 * kInputs * kTile, kExpertRows * kBand),
      ExpertsScratch(op, slots).total,
      2 * (op.experts + 1) + slots,
  };
}

}  // namespace dts
