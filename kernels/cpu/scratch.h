// Sizes of blocks that ops work in, and the memory they need for it.
#pragma once
#include <algorithm>

#include "step.h"

namespace dts {

/** Rows of a weight that are decoded at once. */
constexpr size_t kTile = 16;
/** Rows of a weight that are one piece of work: a multiple of kTile, of the lanes of every qgemm table, and of their blocks' columns. */
constexpr size_t kBand = 32;
/** Cached positions whose softmax is taken at once. Fixed, and counted from position 0: results do not depend on the batch. */
constexpr size_t kSplit = 256;
/** Limit of the router: its intermediate results lie on the stack. */
constexpr size_t kMaxExperts = 1024;
/** Limit of attention, likewise. */
constexpr size_t kMaxHeads = 1024;
/** Rows of a step that attention takes at once. */
constexpr size_t kAttentionRows = 32;
/** Blocks of kSplit positions whose partial results are held at once. */
constexpr size_t kPartials = 64;

/** Where attention keeps its intermediate results in SharedScratch::floats. */
struct AttentionScratch {
  /** @param absorbed width of an absorbed query, or 0; @param values width of a cached value */
  AttentionScratch(size_t heads, size_t absorbed, size_t values) {
    queries = 0;
    mean = queries + kAttentionRows * heads * absorbed;
    peak = mean + kAttentionRows * heads * values;
    mass = peak + kAttentionRows * heads;
    part_mean = mass + kAttentionRows * heads;
    part_peak = part_mean + kPartials * heads * values;
    part_mass = part_peak + kPartials * heads;
    total = part_mass + kPartials * heads;
  }
  size_t queries, mean, peak, mass, part_mean, part_peak, part_mass, total;
};

/** Pieces of work of a linear layer. */
inline size_t bands_of(const LinearOp& op) { return (op.weight->rows + kBand - 1) / kBand; }

/** Floats that decoding a tile of a weight takes. */
inline size_t tile_floats(const Weight& w) { return w.dtype == DType::F32 && w.run_rows == w.rows ? 0 : kTile * w.cols; }

inline ScratchNeed need(const LinearOp& op, const Step&) { return {op.quantized ? 0 : tile_floats(*op.weight), 0, 0}; }

inline ScratchNeed need(const MlaAttentionOp& op, const Step&) {
  const size_t heads = op.q_nope.width / op.q_nope.last;
  const AttentionScratch layout(heads, op.latent->width, op.latent->width);
  return {std::max({2 * heads * kSplit, tile_floats(*op.key), tile_floats(*op.value)}), layout.total, 0};
}

inline ScratchNeed need(const GqaAttentionOp& op, const Step&) {
  const size_t heads = op.q.width / op.q.last;
  return {2 * heads * kSplit, AttentionScratch(heads, 0, op.q.last).total, 0};
}

inline ScratchNeed need(const IndexerSelectOp& op, const Step& step, size_t pages) {
  const size_t heads = op.q.width / op.q.last;
  return {heads * kTile + 2 * pages * step.page_size, 0, 0};
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
      tile_floats(*op.gate) + tile_floats(*op.up) + tile_floats(*op.down) + std::max(2 * kTile * kTile, kExpertRows * kBand),
      ExpertsScratch(op, slots).total,
      op.experts + 1 + slots,
  };
}

}  // namespace dts
