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

inline void route_experts(const RouteExpertsOp& op, const Step& step, Worker& worker) {
  const size_t experts = op.logits.width;
  worker.share(op.logits.rows(step.batch), [&](size_t t) {
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
  });
}

/**
 * Slots (row * top_k + k) ordered by expert, in order of rows within each: those of expert e are slots[starts[e]..starts[e + 1]].
 * @param starts [experts + 1]
 */
inline void group_by_expert(const int32_t* ids, size_t count, size_t experts, uint32_t* starts, uint32_t* slots) {
  std::fill(starts, starts + experts + 1, 0);
  for (size_t i = 0; i < count; ++i) ++starts[ids[i]];
  uint32_t sum = 0;
  for (size_t e = 0; e <= experts; ++e) sum += std::exchange(starts[e], sum);
  for (size_t i = 0; i < count; ++i) slots[starts[ids[i]]++] = static_cast<uint32_t>(i);
  for (size_t e = experts; e > 0; --e) starts[e] = starts[e - 1];
  starts[0] = 0;
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
  float* inner = step.scratch.floats.data();  // [count, inter], by slot
  float* gate_tile = worker.scratch;
  float* up_tile = gate_tile + tile_floats(*op.gate);
  float* down_tile = up_tile + tile_floats(*op.up);
  float* products = down_tile + tile_floats(*op.down);  // [2][kTile rows of x][kTile]
  worker.share(1, [&](size_t) { group_by_expert(op.ids.ints(), count, op.experts, starts, order); });

  const size_t inter_tiles = (inter + kTile - 1) / kTile;
  worker.share(op.experts * inter_tiles, [&](size_t item) {
    const size_t e = item / inter_tiles, from = item % inter_tiles * kTile, width = std::min(kTile, inter - from);
    if (starts[e] == starts[e + 1]) return;
    const float* gates[kTile];
    const float* ups[kTile];
    point_to_rows(f32_rows(*op.gate, e * inter + from, width, gate_tile), hidden, width, gates);
    point_to_rows(f32_rows(*op.up, e * inter + from, width, up_tile), hidden, width, ups);
    for (size_t i = starts[e]; i < starts[e + 1]; i += kTile) {
      const size_t chunk = std::min<size_t>(kTile, starts[e + 1] - i);
      const float* xs[kTile];
      for (size_t c = 0; c < chunk; ++c) xs[c] = op.x.data + order[i + c] / slots * hidden;
      dots(gates, width, xs, chunk, hidden, products, kTile);
      dots(ups, width, xs, chunk, hidden, products + kTile * kTile, kTile);
      for (size_t c = 0; c < chunk; ++c) {
        swiglu_row(products + c * kTile, products + (kTile + c) * kTile, width, inner + order[i + c] * inter + from);
      }
    }
  });

  worker.share((hidden + kTile - 1) / kTile, [&](size_t tile) {
    const size_t from = tile * kTile, width = std::min(kTile, hidden - from);
    for (size_t t = 0; t < rows; ++t) std::fill_n(op.out.data + t * hidden + from, width, 0.0f);
    for (size_t e = 0; e < op.experts; ++e) {
      if (starts[e] == starts[e + 1]) continue;
      const float* downs[kTile];
      point_to_rows(f32_rows(*op.down, e * hidden + from, width, down_tile), inter, width, downs);
      for (size_t i = starts[e]; i < starts[e + 1]; i += kTile) {
        const size_t chunk = std::min<size_t>(kTile, starts[e + 1] - i);
        const float* xs[kTile];
        for (size_t c = 0; c < chunk; ++c) xs[c] = inner + order[i + c] * inter;
        dots(downs, width, xs, chunk, inter, products, kTile);
        for (size_t c = 0; c < chunk; ++c) {
          const size_t slot = order[i + c];
          add_scaled(products + c * kTile, op.weights.data[slot], width, op.out.data + slot / slots * hidden + from);
        }
      }
    }
  });
}

}  // namespace dts::DTS_TARGET
