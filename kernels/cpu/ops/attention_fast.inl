// Attention of the numerics `fast`, and of caches that are not f32. Generated rows read the latents as they are (absorbed
// form), a block of entries at a time by whichever thread is free; prompt rows multiply them out (expanded form), for
// one head and all rows of a sequence at once. The row's kind alone decides, so that a row's result has the same bits
// however its prompt was cut and whatever else is in the step.
namespace dts::DTS_TARGET {

/**
 * Rows [t0, t0 + rows) of the absorbed form, whose queries lie flipped in the scratch; leaves mean and mass there.
 * @param chunk entries that are taken at once, at most kWideChunk
 * @param attend_chunk (flash, group, now, next, first) attends to `now`, the entries from `first` on; `next`, which may be
 * empty, likely come after them
 */
template <class AttendChunk>
inline void attend_generated(const Step& step, Worker& worker, size_t t0, size_t rows, const FlashShape& s,
                             const AttentionScratch& at, const Tensor* selection, size_t chunk, const AttendChunk& attend_chunk) {
  float* memory = step.scratch.floats.data();
  const size_t lanes = s.lanes(), width = padded(s.width);
  const auto attend = [&](const Block& block, const auto& next, size_t part) {
    for (size_t g = 0; g < s.groups; ++g) {
      const size_t first = part * s.groups * lanes + g * lanes;
      Flash flash{lanes,
                  memory + at.flipped + ((block.t - t0) * s.groups + g) * s.depth * lanes,
                  s.depth,
                  s.scale,
                  memory + at.part_peak + first,
                  memory + at.part_mass + first,
                  memory + at.part_mean + first * width,
                  width,
                  nullptr,
                  false};
      size_t lists[2][kWideChunk];
      const auto list = [&](const Block& from, size_t done, size_t* rows) -> CacheRows {
        const size_t n = std::min(chunk, from.n - done);
        list_cache_rows(step, from, done, n, rows);
        return {rows, n};
      };
      CacheRows now = list(block, 0, lists[0]);
      for (size_t done = 0, turn = 1; done < block.n; turn = 1 - turn) {
        const size_t end = done + now.n;
        const CacheRows coming = end < block.n ? list(block, end, lists[turn]) : list(next(), 0, lists[turn]);
        attend_chunk(flash, g, now, coming, done);
        flash.onto = true;
        now = coming;
        done = end;
      }
    }
  };
  attend_rows(step, worker, t0, rows, s.groups * lanes, width, at, selection, split_of, attend);
}

/**
 * Attends to a chunk in f32.
 * @param fill (cache_row, to) writes a row of the chunk
 * @param value_at where the values of a row start
 */
template <class Fill>
inline void attend_floats(const Flash& flash, const FlashShape& s, size_t value_at, const CacheRows& now, size_t first,
                          float* scratch, const Fill& fill) {
  const size_t stride = s.stride();
  for (size_t i = 0; i < now.n; ++i) fill(now.rows[i], scratch + i * stride);
  attend(flash, {scratch, scratch + value_at, stride, now.n}, first, scratch + kChunk * stride);
}

/** Rows [t0, t1) of the step, prompt rows of one sequence. */
struct PromptRun {
  size_t t0, t1;
};

/** Calls visit(PromptRun) for the runs in rows [from, to). */
template <class Visit>
inline void for_runs(const Batch& batch, size_t from, size_t to, const Visit& visit) {
  for (size_t t0 = from; t0 < to;) {
    size_t t1 = t0 + 1;
    while (t1 < to && batch.sequences[t1] == batch.sequences[t0]) ++t1;
    visit(PromptRun{t0, t1});
    t0 = t1;
  }
}

/**
 * One group of heads for the rows of a run.
 * @param query (t, head of the group) -> q [depth], which may lie in `row` of the scratch
 * @param fill (from, n, chunk) writes keys and values of positions [from, from + n)
 * @param store (t, head of the group, mean [width], mass)
 */
template <class Query, class Fill, class Store>
inline void attend_prompt(const Step& step, float* memory, const PromptScratch& at, const PromptRun& run,
                          const FlashShape& s, const Query& query, const Fill& fill, const Store& store) {
  constexpr size_t Q = kPromptQueries;
  const size_t count = (run.t1 - run.t0) * s.heads, width = padded(s.width), stride = s.stride();
  const auto position = [&](size_t i) { return static_cast<size_t>(step.batch.positions[run.t0 + std::min(i, count - 1) / s.heads]); };
  const size_t sets = (count + Q - 1) / Q;
  for (size_t i = 0; i < sets * Q; ++i) {
    float* to = memory + at.flipped + i / Q * Q * s.depth + i % Q;
    const size_t real = std::min(i, count - 1);
    scatter(query(run.t0 + real / s.heads, real % s.heads), s.depth, to, Q);
    memory[at.limits + i] = static_cast<float>(position(i) + 1);
  }
  const auto flash = [&](size_t set) {
    const size_t first = set * Q;
    return Flash{Q,
                 memory + at.flipped + first * s.depth,
                 s.depth,
                 s.scale,
                 memory + at.peak + first,
                 memory + at.mass + first,
                 memory + at.mean + first * width,
                 width,
                 memory + at.limits + first,
                 false};
  };
  float* chunk = memory + at.chunk;
  const size_t end = position(count - 1) + 1;
  for (size_t from = 0; from < end; from += kPromptChunk) {
    fill(from, std::min(kPromptChunk, end - from), chunk);
    for (size_t set = 0; set < sets; ++set) {
      const size_t seen = position(set * Q + Q - 1) + 1;
      if (seen <= from) continue;
      Flash f = flash(set);
      f.onto = from > 0;
      const size_t n = std::min(kPromptChunk, seen - from);
      if (from + n <= position(set * Q) + 1) f.limits = nullptr;
      attend(f, {chunk, chunk + s.value_at(), stride, n}, from, memory + at.scores);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    store(run.t0 + i / s.heads, i % s.heads, memory + at.mean + i * width, memory[at.mass + i]);
  }
}

/** to[c * ld + n] = w[n][c] of `count` rows from `row`; the rest of a row of `to` is 0. */
inline void transpose_rows(const Weight& w, size_t row, size_t count, float* scratch, float* to, size_t ld) {
  std::fill_n(to, w.cols * ld, 0.0f);
  for (size_t n = 0; n < count; ++n) scatter(f32_rows(w, row + n, 1, scratch), w.cols, to + n, ld);
}

/** The expanded form of rows [from, to), all prompt rows. */
inline void mla_prompt(const MlaAttentionOp& op, const Step& step, Worker& worker, size_t from, size_t to) {
  const FlashShape s = expanded_shape(op);
  const size_t latent = op.latent->width, nope = op.q_nope.last, rope = op.k_rope->width;
  const PromptScratch at(s, step.max_rows, latent);
  float* memory = worker.scratch;
  const size_t key_ld = padded(nope), value_ld = padded(s.width), stride = s.stride(), latents_ld = odd_stride(latent);
  size_t runs = 0;
  for_runs(step.batch, from, to, [&](const PromptRun&) { ++runs; });
  const auto expand = [&](size_t t, size_t h, size_t first, size_t n, float* chunk) {
    for (size_t done = 0; done < n; done += kExpanded) {
      const size_t count = std::min(kExpanded, n - done);
      float* rows = chunk + done * stride;
      for (size_t i = 0; i < count; ++i) {
        read_cache(*op.latent, step.cache_row(t, first + done + i), 0, latent, memory + at.latents + i * latents_ld);
      }
      const Left latents{memory + at.latents, latents_ld, 1};
      multiply(count, key_ld, latents, memory + at.key, key_ld, latent, false, rows, stride);
      multiply(count, value_ld, latents, memory + at.value, value_ld, latent, false, rows + s.value_at(), stride);
      for (size_t i = 0; i < count; ++i) {
        read_cache(*op.k_rope, step.cache_row(t, first + done + i), 0, rope, rows + i * stride + nope);
      }
    }
  };
  worker.share(runs * s.groups, [&](size_t item) {
    const size_t h = item % s.groups;
    PromptRun run{};
    size_t index = 0;
    for_runs(step.batch, from, to, [&](const PromptRun& r) {
      if (index++ == item / s.groups) run = r;
    });
    float* row = memory + at.row;
    if (op.latent_major) {
      for (size_t c = 0; c < latent; ++c) {
        float* key = memory + at.key + c * key_ld;
        std::fill_n(key, key_ld, 0.0f);
        std::memcpy(key, f32_rows(*op.key, h * latent + c, 1, row), nope * sizeof(float));
      }
    } else {
      transpose_rows(*op.key, h * nope, nope, row, memory + at.key, key_ld);
    }
    transpose_rows(*op.value, h * s.width, s.width, row, memory + at.value, value_ld);
    const auto query = [&](size_t t, size_t) {
      std::memcpy(row, op.q_nope.data + t * op.q_nope.width + h * nope, nope * sizeof(float));
      std::memcpy(row + nope, op.q_rope.data + t * op.q_rope.width + h * rope, rope * sizeof(float));
      return row;
    };
    const auto fill = [&](size_t first, size_t n, float* chunk) { expand(run.t0, h, first, n, chunk); };
    const auto store = [&](size_t t, size_t, const float* mean, float mass) {
      float* out = op.out.data + t * op.out.width + h * s.width;
      for (size_t i = 0; i < s.width; ++i) out[i] = mean[i] / mass;
    };
    attend_prompt(step, memory, at, run, s, query, fill, store);
  });
}

/** As absorb, with a packed kvBKey. */
inline void absorb_packed(const MlaAttentionOp& op, const Step& step, Worker& worker, size_t t0, size_t rows, float* queries) {
  const size_t nope = op.q_nope.last, width = op.q_nope.width, heads = width / nope, latent = op.latent->width;
  worker.share(heads, [&](size_t h) {
    auto* xs = reinterpret_cast<qgemm::QBlock*>(worker.scratch);
    step.products->quantize_rows(op.q_nope.data + t0 * width + h * nope, width, rows, nope, xs);
    step.products->gemm(op.key->packed.matrix(h), 0, latent, {xs, nullptr, rows}, queries + h * latent, heads * latent);
  });
}

/** As expand_values, with a packed kvBValue. */
inline void expand_packed(const MlaAttentionOp& op, const Step& step, Worker& worker, size_t t0, size_t rows, const Means& means) {
  const size_t heads = op.q_nope.width / op.q_nope.last, latent = op.latent->width, v = op.out.width / heads;
  worker.share(heads, [&](size_t h) {
    float* mean = worker.scratch;
    auto* xs = reinterpret_cast<qgemm::QBlock*>(mean + latent);
    for (size_t r = 0; r < rows; ++r) {
      const size_t at = r * means.heads + h;
      const float share = 1 / means.mass[at];
      for (size_t i = 0; i < latent; ++i) mean[i] = means.mean[at * means.width + i] * share;
      step.products->quantize_rows(mean, latent, 1, latent, xs + r * (latent / qgemm::kColumnsPerBlock));
    }
    step.products->gemm(op.value->packed.matrix(h), 0, v, {xs, nullptr, rows}, op.out.data + t0 * op.out.width + h * v, op.out.width);
  });
}

/** The absorbed form of rows [from, to). */
inline void mla_absorbed(const MlaAttentionOp& op, const Step& step, Worker& worker, size_t from, size_t to) {
  const FlashShape s = absorbed_shape(op);
  const std::optional<LatentCodes> codes = takes_codes(op, step) ? std::optional<LatentCodes>({op, *step.products, s.lanes()}) : std::nullopt;
  const size_t latent = op.latent->width, rope = op.k_rope->width, lanes = s.lanes();
  const AttentionScratch at = flash_scratch(s, latent);
  float* memory = step.scratch.floats.data();
  const Tensor* selection = op.selected ? &op.selection : nullptr;
  const auto fill = [&](size_t row, float* chunk) {
    read_cache(*op.latent, row, 0, latent, chunk);
    read_cache(*op.k_rope, row, 0, rope, chunk + latent);
  };
  for (size_t t0 = from; t0 < to; t0 += kAttentionRows) {
    const size_t rows = std::min(kAttentionRows, to - t0);
    if (absorbs_packed(op)) absorb_packed(op, step, worker, t0, rows, memory + at.queries);
    else absorb(op, worker, t0, rows, memory + at.queries);
    worker.share(rows, [&](size_t r) {
      const float* queries = memory + at.queries + r * s.heads * latent;
      float* flipped = memory + at.flipped + r * s.depth * lanes;
      if (codes) return codes->pack(queries, s.heads, t0 + r, flipped, worker.scratch);
      std::fill_n(flipped, s.depth * lanes, 0.0f);
      for (size_t h = 0; h < s.heads; ++h) {
        scatter(queries + h * latent, latent, flipped + h, lanes);
        scatter(op.q_rope.data + (t0 + r) * op.q_rope.width + h * rope, rope, flipped + latent * lanes + h, lanes);
      }
    });
    attend_generated(step, worker, t0, rows, s, at, selection, codes ? codes->chunk() : kChunk,
                     [&](const Flash& flash, size_t, const CacheRows& now, const CacheRows& next, size_t first) {
                       if (codes) codes->attend(flash, now, next, first, worker.scratch);
                       else attend_floats(flash, s, 0, now, first, worker.scratch, fill);
                     });
    const Means means{memory + at.mean, memory + at.mass, lanes, padded(latent)};
    if (op.value->packed.table) expand_packed(op, step, worker, t0, rows, means);
    else expand_values(op, worker, t0, rows, means);
  }
}

/** Calls visit(from, to, whether they are generated rows) for the longest runs of one kind. */
template <class Visit>
inline void for_kinds(const Batch& batch, const Visit& visit) {
  for (size_t from = 0; from < batch.rows;) {
    size_t to = from + 1;
    while (to < batch.rows && batch.kinds[to] == batch.kinds[from]) ++to;
    visit(from, to, batch.kinds[from] != 0);
    from = to;
  }
}

inline void mla_attention(const MlaAttentionOp& op, const Step& step, Worker& worker) {
  if (!is_fast(op, step)) return mla_attention_exact(op, step, worker);
  // With a selection each row has positions of its own, which are not worth multiplying out.
  for_kinds(step.batch, [&](size_t from, size_t to, bool generated) {
    if (generated || op.selected) mla_absorbed(op, step, worker, from, to);
    else mla_prompt(op, step, worker, from, to);
  });
}

inline void gqa_generated(const GqaAttentionOp& op, const Step& step, Worker& worker, size_t from, size_t to) {
  const FlashShape s = shape_of(op);
  const size_t lanes = s.lanes(), width = padded(s.width);
  const AttentionScratch at = flash_scratch(s, 0);
  float* memory = step.scratch.floats.data();
  for (size_t t0 = from; t0 < to; t0 += kAttentionRows) {
    const size_t rows = std::min(kAttentionRows, to - t0);
    worker.share(rows * s.groups, [&](size_t i) {
      float* flipped = memory + at.flipped + i * s.depth * lanes;
      std::fill_n(flipped, s.depth * lanes, 0.0f);
      const float* q = op.q.data + t0 * op.q.width + i * s.heads * s.depth;
      for (size_t h = 0; h < s.heads; ++h) scatter(q + h * s.depth, s.depth, flipped + h, lanes);
    });
    attend_generated(step, worker, t0, rows, s, at, nullptr, kChunk,
                     [&](const Flash& flash, size_t g, const CacheRows& now, const CacheRows&, size_t first) {
                       attend_floats(flash, s, s.value_at(), now, first, worker.scratch, [&](size_t row, float* chunk) {
                         read_cache(*op.key, row, g * s.depth, s.depth, chunk);
                         read_cache(*op.value, row, g * s.width, s.width, chunk + s.value_at());
                       });
                     });
    worker.share(rows * s.groups, [&](size_t i) {
      for (size_t h = 0; h < s.heads; ++h) {
        const float* mean = memory + at.mean + (i * lanes + h) * width;
        float* out = op.out.data + t0 * op.out.width + (i * s.heads + h) * s.width;
        for (size_t k = 0; k < s.width; ++k) out[k] = mean[k] / memory[at.mass + i * lanes + h];
      }
    });
  }
}

inline void gqa_prompt(const GqaAttentionOp& op, const Step& step, Worker& worker, size_t from, size_t to) {
  const FlashShape s = shape_of(op);
  const PromptScratch at(s, step.max_rows, 0);
  size_t runs = 0;
  for_runs(step.batch, from, to, [&](const PromptRun&) { ++runs; });
  worker.share(runs * s.groups, [&](size_t item) {
    const size_t g = item % s.groups;
    PromptRun run{};
    size_t index = 0;
    for_runs(step.batch, from, to, [&](const PromptRun& r) {
      if (index++ == item / s.groups) run = r;
    });
    const auto query = [&](size_t t, size_t h) { return op.q.data + t * op.q.width + (g * s.heads + h) * s.depth; };
    const auto fill = [&](size_t first, size_t n, float* chunk) {
      for (size_t i = 0; i < n; ++i, chunk += s.stride()) {
        const size_t row = step.cache_row(run.t0, first + i);
        read_cache(*op.key, row, g * s.depth, s.depth, chunk);
        read_cache(*op.value, row, g * s.width, s.width, chunk + s.value_at());
        std::fill(chunk + s.value_at() + s.width, chunk + s.value_at() + padded(s.width), 0.0f);
      }
    };
    const auto store = [&](size_t t, size_t h, const float* mean, float mass) {
      float* out = op.out.data + t * op.out.width + (g * s.heads + h) * s.width;
      for (size_t i = 0; i < s.width; ++i) out[i] = mean[i] / mass;
    };
    attend_prompt(step, worker.scratch, at, run, s, query, fill, store);
  });
}

inline void gqa_attention(const GqaAttentionOp& op, const Step& step, Worker& worker) {
  if (!is_fast(op, step)) return gqa_attention_exact(op, step, worker);
  for_kinds(step.batch, [&](size_t from, size_t to, bool generated) {
    if (generated) gqa_generated(op, step, worker, from, to);
    else gqa_prompt(op, step, worker, from, to);
  });
}

}  // namespace dts::DTS_TARGET
