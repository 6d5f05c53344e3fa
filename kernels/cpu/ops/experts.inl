// Routing and the experts: see src/backends/reference/ops/experts.ts.
namespace dts::DTS_TARGET {

/** Marks the `count` largest of n values; of equal values the first. Always marks `count`, also among NaNs. */
inline void choose_largest(const double* values, size_t n, size_t count, bool* chosen) {
  std::fill(chosen, chosen + n, false);
  for (size_t k = 0; k < count; ++k) {
    size_t best = n;
    for (size_t e = 0; e < n; ++e) {
      if (!chosen[e] && (best == n || values[e] > values[best])) best = e;
    }
    if (best < n) chosen[best] = true;
  }
}

/** Excludes all groups but the best from the choice. */
inline void exclude_groups(const RouteExpertsOp& op, double* choice, size_t experts) {
  const size_t size = experts / op.groups;
  double scores[kMaxExperts];
  bool kept[kMaxExperts];
  for (size_t g = 0; g < op.groups; ++g) {
    double top = -std::numeric_limits<double>::infinity(), second = top;
    for (size_t e = g * size; e < (g + 1) * size; ++e) {
      if (choice[e] > top) second = std::exchange(top, choice[e]);
      else if (choice[e] > second) second = choice[e];
    }
    scores[g] = op.sum_of_top2 && size > 1 ? top + second : top;
  }
  choose_largest(scores, op.groups, op.top_groups, kept);
  for (size_t g = 0; g < op.groups; ++g) {
    if (!kept[g]) std::fill(choice + g * size, choice + (g + 1) * size, -std::numeric_limits<double>::infinity());
  }
}

inline void route_experts(const RouteExpertsOp& op, const Step&, size_t t) {
  const size_t experts = op.logits.width;
  const float* logits = op.logits.data + t * experts;
  double scores[kMaxExperts], choice[kMaxExperts];
  bool chosen[kMaxExperts];
  if (op.sigmoid) {
    for (size_t e = 0; e < experts; ++e) scores[e] = 1 / (1 + std::exp(-static_cast<double>(logits[e])));
  } else {
    double max = logits[0], sum = 0;
    for (size_t e = 1; e < experts; ++e) max = std::max(max, static_cast<double>(logits[e]));
    for (size_t e = 0; e < experts; ++e) sum += scores[e] = std::exp(logits[e] - max);
    for (size_t e = 0; e < experts; ++e) scores[e] /= sum;
  }
  for (size_t e = 0; e < experts; ++e) {
    op.scores.data[t * experts + e] = static_cast<float>(scores[e]);
    choice[e] = scores[e] + (op.bias ? floats(*op.bias)[e] : 0.0f);
  }
  if (op.groups) exclude_groups(op, choice, experts);
  choose_largest(choice, experts, op.top_k, chosen);
  double sum = op.normalize ? 1e-20 : 1;
  for (size_t e = 0; op.normalize && e < experts; ++e) sum += chosen[e] ? scores[e] : 0;
  size_t slot = t * op.top_k;
  for (size_t e = 0; e < experts; ++e) {
    if (!chosen[e]) continue;
    op.ids.ints()[slot] = static_cast<int32_t>(e);
    op.weights.data[slot++] = static_cast<float>(scores[e] / sum * op.scale);
  }
}

/**
 * Slots (row * top_k + k) ordered by expert, in order of rows within each: those of expert e are slots[starts[e]..starts[e + 1]].
 * @param starts [experts + 1]
 * @param chosen the experts that have slots, ascending
 * @returns how many these are
 */
inline uint32_t group_by_expert(const int32_t* ids, size_t count, size_t experts, uint32_t* starts, uint32_t* slots, uint32_t* chosen) {
  std::fill(starts, starts + experts + 1, 0);
  for (size_t i = 0; i < count; ++i) ++starts[ids[i]];
  uint32_t sum = 0;
  for (size_t e = 0; e <= experts; ++e) sum += std::exchange(starts[e], sum);
  for (size_t i = 0; i < count; ++i) slots[starts[ids[i]]++] = static_cast<uint32_t>(i);
  for (size_t e = experts; e > 0; --e) starts[e] = starts[e - 1];
  starts[0] = 0;
  uint32_t used = 0;
  for (uint32_t e = 0; e < experts; ++e) {
    if (starts[e] < starts[e + 1]) chosen[used++] = e;
  }
  return used;
}

/** The rows of each expert: slots (row * top_k + k) order[starts[e]..starts[e + 1]] for expert e, one of chosen[0..*used]. */
struct Groups {
  const uint32_t* starts;
  const uint32_t* order;
  const uint32_t* chosen;
  const uint32_t* used;
  size_t slots_per_row;
};

/** Whether a product with the expert's matrix takes rounded activations: its weight is packed, as whole rows may not be there. */
inline bool takes_rounded(const ExpertsFfnOp& op, const Weight& w) { return op.quantized && w.packed.table; }

/**
 * inner[slot][from + i] = silu(gate[e] x)[from + i] * (up[e] x)[from + i] for i < width, all slots of expert e. Either of gate and up
 * may be packed, where their types differ.
 */
inline void gate_up_band(const ExpertsFfnOp& op, const Step& step, const Groups& groups, size_t e, size_t from, size_t width,
                         float* inner, float* scratch) {
  const size_t hidden = op.gate->cols, inter = op.down->cols;
  float* up_tile = scratch + tile_floats(*op.gate);
  float* gates = up_tile + tile_floats(*op.up);  // [kInputs][kTile]
  float* ups = gates + kInputs * kTile;          // likewise
  const size_t first = groups.starts[e], last = groups.starts[e + 1];
  for (size_t r = from; r < from + width; r += kTile) {
    const size_t tile = std::min(kTile, from + width - r);
    std::optional<WeightTile> gate_rows, up_rows;
    if (!takes_rounded(op, *op.gate)) gate_rows.emplace(*op.gate, e * inter + r, tile, last - first, scratch);
    if (!takes_rounded(op, *op.up)) up_rows.emplace(*op.up, e * inter + r, tile, last - first, up_tile);
    for (size_t i = first; i < last; i += kInputs) {
      const size_t chunk = std::min(kInputs, last - i);
      const float* xs[kInputs];
      uint32_t rows[kInputs];
      for (size_t c = 0; c < chunk; ++c) {
        rows[c] = groups.order[i + c] / static_cast<uint32_t>(groups.slots_per_row);
        xs[c] = op.x.data + rows[c] * hidden;
      }
      const auto multiply = [&](const Weight& w, const std::optional<WeightTile>& stored, float* out) {
        if (stored) stored->dots(xs, chunk, out, kTile);
        else step.products->gemm(w.packed.matrix(e), r, r + tile, {op.quantized, rows, chunk}, out, kTile);
      };
      multiply(*op.gate, gate_rows, gates);
      multiply(*op.up, up_rows, ups);
      for (size_t c = 0; c < chunk; ++c) {
        swiglu_row(gates + c * kTile, ups + c * kTile, tile, inner + groups.order[i + c] * inter + r);
      }
    }
  }
}

/** The same where both are packed; `rounded` takes the results as int8 where it is not null, else `inner` as floats. */
inline void packed_gate_up_band(const ExpertsFfnOp& op, const Step& step, const Groups& groups, size_t e, size_t from, size_t width,
                                float* inner, qgemm::QBlock* rounded, float* scratch) {
  const size_t inter = op.down->cols;
  for (size_t i = groups.starts[e]; i < groups.starts[e + 1]; i += kExpertRows) {
    const size_t chunk = std::min<size_t>(kExpertRows, groups.starts[e + 1] - i);
    uint32_t rows[kExpertRows];
    for (size_t c = 0; c < chunk; ++c) rows[c] = groups.order[i + c] / static_cast<uint32_t>(groups.slots_per_row);
    step.products->gate_up_silu(op.gate->packed.matrix(e), op.up->packed.matrix(e), from, from + width, {op.quantized, rows, chunk},
                           scratch, kBand);
    for (size_t c = 0; c < chunk; ++c) {
      const size_t slot = groups.order[i + c];
      if (rounded) {
        constexpr size_t kColumns = qgemm::kColumnsPerBlock;
        step.products->quantize_rows(scratch + c * kBand, kBand, 1, width, rounded + slot * (inter / kColumns) + from / kColumns);
      } else {
        std::memcpy(inner + slot * inter + from, scratch + c * kBand, width * sizeof(float));
      }
    }
  }
}

/** out[t][from + i] = Σ over the slots of row t, in order, of weight * (down[e] inner)[from + i] for i < width <= kBand. */
inline void down_band(const ExpertsFfnOp& op, const Step& step, const Groups& groups, size_t from, size_t width, const float* inner,
                      const qgemm::QBlock* rounded, float* scratch) {
  const size_t hidden = op.gate->cols, inter = op.down->cols;
  float* products = scratch + tile_floats(*op.down);
  const auto add_products = [&](size_t first, size_t count, size_t at, size_t columns, size_t stride) {
    for (size_t c = 0; c < count; ++c) {
      const size_t slot = groups.order[first + c];
      add_scaled(products + c * stride, op.weights.data[slot], columns,
                 op.out.data + slot / groups.slots_per_row * hidden + at);
    }
  };
  for (size_t c = 0; c < *groups.used; ++c) {
    const size_t e = groups.chosen[c], first = groups.starts[e], last = groups.starts[e + 1];
    if (rounded) {
      for (size_t i = first; i < last; i += kExpertRows) {
        const size_t chunk = std::min(kExpertRows, last - i);
        step.products->gemm(op.down->packed.matrix(e), from, from + width, {rounded, groups.order + i, chunk}, products, kBand);
        add_products(i, chunk, from, width, kBand);
      }
      continue;
    }
    for (size_t r = from; r < from + width; r += kTile) {
      const size_t tile = std::min(kTile, from + width - r);
      const WeightTile downs(*op.down, e * hidden + r, tile, last - first, scratch);
      for (size_t i = first; i < last; i += kInputs) {
        const size_t chunk = std::min(kInputs, last - i);
        const float* xs[kInputs];
        for (size_t c = 0; c < chunk; ++c) xs[c] = inner + groups.order[i + c] * inter;
        downs.dots(xs, chunk, products, kTile);
        add_products(i, chunk, r, tile, kTile);
      }
    }
  }
}

/**
 * out[t] = Σ_k weights[t][k] * down[e] (silu(gate[e] x[t]) * up[e] x[t]), e = ids[t][k]. Experts take their rows together.
 * In the second half a thread owns some columns of out and goes through the experts in ascending order, which is that of
 * a row's slots: the sum over them needs no memory of its own and has one order.
 */
inline void experts_ffn(const ExpertsFfnOp& op, const Step& step, Worker& worker) {
  const size_t hidden = op.gate->cols, inter = op.down->cols, slots = op.ids.width;
  const size_t rows = op.x.rows(step.batch), count = rows * slots;
  uint32_t* starts = step.scratch.ints.data();
  uint32_t* order = starts + op.experts + 1;
  uint32_t* chosen = order + count;
  uint32_t* used = chosen + op.experts;
  const Groups groups{starts, order, chosen, used, slots};
  const bool packed_down = step.fast && op.down->packed.table;
  const bool packed_gate_up = takes_rounded(op, *op.gate) && takes_rounded(op, *op.up);
  float* inner = step.scratch.floats.data();  // [count, inter], by slot
  auto* rounded = packed_down ? reinterpret_cast<qgemm::QBlock*>(inner + ExpertsScratch(op, step.max_rows * slots).quantized) : nullptr;
  worker.share(1, [&](size_t) { *used = group_by_expert(op.ids.ints(), count, op.experts, starts, order, chosen); });

  // As many experts as can be chosen: a thread may come here before it can know how many were.
  const size_t inter_bands = (inter + kBand - 1) / kBand, most = std::min<size_t>(op.experts, count);
  worker.share(most * inter_bands, [&](size_t item) {
    if (item / inter_bands >= *used) return;
    const size_t e = chosen[item / inter_bands], from = item % inter_bands * kBand, width = std::min(kBand, inter - from);
    if (packed_gate_up) packed_gate_up_band(op, step, groups, e, from, width, inner, rounded, worker.scratch);
    else gate_up_band(op, step, groups, e, from, width, inner, worker.scratch);
  });
  if (packed_down && !packed_gate_up) {
    worker.share(count, [&](size_t slot) {
      step.products->quantize_rows(inner + slot * inter, inter, 1, inter, rounded + slot * (inter / qgemm::kColumnsPerBlock));
    });
  }

  worker.share((hidden + kBand - 1) / kBand, [&](size_t band) {
    const size_t from = band * kBand, width = std::min(kBand, hidden - from);
    for (size_t t = 0; t < rows; ++t) std::fill_n(op.out.data + t * hidden + from, width, 0.0f);
    down_band(op, step, groups, from, width, inner, rounded, worker.scratch);
  });
}

}  // namespace dts::DTS_TARGET
