// Attention over the paged cache: see src/backends/reference/ops/attention.ts for the meaning of the ops.
//
// The cached positions of a row are taken in blocks, counted from position 0. A block gives, for all heads in
// one pass over its cache rows, a softmax of its own: the highest score, the sum of the weights and the weighted mean.
// Blocks are computed by whichever thread is free, and merged in ascending order.
namespace dts::DTS_TARGET {

/** The heads of a row that read the same cache rows, and what they give. */
struct Heads {
  size_t count;
  /** Queries [count, width]; the second part may be missing (width 0). */
  const float* query;
  size_t width;
  const float* query2;
  size_t width2;
  float scale;
  /** [count], [count] and [count, value_width] */
  float* peak;
  float* mass;
  float* mean;
  size_t value_width;
};

/**
 * One block: softmax over `n` <= kSplit cache rows and the weighted sum of their values (mean here is not yet divided).
 * @param scores 2 * count * kSplit floats
 */
inline void attend_block(const Heads& heads, const float* const* keys, const float* const* keys2,
                         const float* const* values, size_t n, const float** queries, float* scores) {
  float* second = scores + heads.count * kSplit;
  point_to_rows(heads.query, heads.width, heads.count, queries);
  for (size_t s = 0; s < n; s += kTile) {
    dots(keys + s, std::min(kTile, n - s), queries, heads.count, heads.width, scores + s, kSplit);
  }
  if (heads.width2 > 0) {
    point_to_rows(heads.query2, heads.width2, heads.count, queries);
    for (size_t s = 0; s < n; s += kTile) {
      dots(keys2 + s, std::min(kTile, n - s), queries, heads.count, heads.width2, second + s, kSplit);
    }
  }
  for (size_t h = 0; h < heads.count; ++h) {
    float* row = scores + h * kSplit;
    float peak = -std::numeric_limits<float>::infinity();
    for (size_t s = 0; s < n; ++s) {
      if (heads.width2 > 0) row[s] += second[h * kSplit + s];
      row[s] *= heads.scale;
      peak = std::max(peak, row[s]);
    }
    const F32 top = F32::splat(peak);
    float mass = 0;
    size_t s = 0;
    for (; s + F32::lanes <= n; s += F32::lanes) {
      const F32 weight = exp(sub(F32::load(row + s), top));
      weight.store(row + s);
      mass += weight.sum();
    }
    if (s < n) {
      exp(sub(F32::load_n(row + s, n - s), top)).store_n(row + s, n - s);
      mass += F32::load_n(row + s, n - s).sum();
    }
    heads.peak[h] = peak;
    heads.mass[h] = mass;
  }
  weighted_sums(scores, kSplit, heads.count, values, n, heads.value_width, false, heads.mean, heads.value_width);
}

/** Adds the softmax of a later block to that of the earlier ones; `first` where there are none. */
inline void merge_block(bool first, float peak, float mass, const float* mean, size_t width, float* all_peak,
                        float* all_mass, float* all_mean) {
  if (first) {
    *all_peak = peak;
    *all_mass = mass;
    std::memcpy(all_mean, mean, width * sizeof(float));
    return;
  }
  const float top = std::max(*all_peak, peak);
  const float old_factor = std::exp(*all_peak - top), new_factor = std::exp(peak - top);
  *all_peak = top;
  *all_mass = *all_mass * old_factor + mass * new_factor;
  for (size_t i = 0; i < width; ++i) all_mean[i] = all_mean[i] * old_factor + mean[i] * new_factor;
}

/** The entries a row attends to: all positions up to its own, or those listed. */
struct Entries {
  const int32_t* list;
  size_t count;
  size_t position(size_t i) const { return list ? static_cast<size_t>(list[i]) : i; }
};

/** At most so many: the number of stages must not depend on what the stages before have written. */
inline size_t most_entries(const Step& step, size_t t, const Tensor* selection) {
  const size_t seen = static_cast<size_t>(step.batch.positions[t]) + 1;
  return selection ? std::min<size_t>(selection->width, seen) : seen;
}

inline Entries entries_of(const Step& step, size_t t, const Tensor* selection) {
  const size_t most = most_entries(step, t, selection);
  if (!selection) return {nullptr, most};
  const int32_t* list = selection->ints() + t * selection->width;
  size_t count = 0;
  while (count < most && list[count] >= 0) ++count;
  return {list, count};
}

/** Entries [from, from + n) of row t. */
struct Block {
  size_t t;
  Entries entries;
  size_t from, n;
};

/** Rows of the cache that hold some entries. */
struct CacheRows {
  const size_t* rows;
  size_t n;
};

/** Where the cache has entries [first, first + n) of a block. */
inline void list_cache_rows(const Step& step, const Block& block, size_t first, size_t n, size_t* rows) {
  const size_t from = block.from + first;
  if (block.entries.list) {
    for (size_t i = 0; i < n; ++i) rows[i] = step.cache_row(block.t, block.entries.position(from + i));
    return;
  }
  for (size_t i = 0; i < n;) {
    const size_t end = std::min(n, i + step.page_size - (from + i) % step.page_size);
    for (size_t row = step.cache_row(block.t, from + i); i < end; ++i, ++row) rows[i] = row;
  }
}

/**
 * Attention of rows [t0, t0 + rows), rows <= kAttentionRows, for `heads` heads with values of `width`: fills mean, peak and
 * mass of the scratch.
 * @param split how many entries a block has, of a row that has at most so many
 * @param attend (block, next, part): attends to a block and writes part `part` of the scratch; next() is the block that likely
 * comes after, and may be empty
 */
template <class Split, class Attend>
inline void attend_rows(const Step& step, Worker& worker, size_t t0, size_t rows, size_t heads, size_t width,
                        const AttentionScratch& at, const Tensor* selection, const Split& split, const Attend& attend) {
  float* memory = step.scratch.floats.data();
  size_t first_item[kAttentionRows + 1], sizes[kAttentionRows];
  first_item[0] = 0;
  for (size_t r = 0; r < rows; ++r) {
    const size_t most = most_entries(step, t0 + r, selection);
    sizes[r] = split(most);
    first_item[r + 1] = first_item[r] + (most + sizes[r] - 1) / sizes[r];
  }
  const size_t items = first_item[rows];
  for (size_t base = 0; base < items; base += kPartials) {
    const size_t end = std::min(items, base + kPartials);
    const auto block_of = [&](size_t item) -> Block {
      if (item >= end) return {};
      size_t r = 0;
      while (first_item[r + 1] <= item) ++r;
      const Entries entries = entries_of(step, t0 + r, selection);
      const size_t from = (item - first_item[r]) * sizes[r];
      return {t0 + r, entries, from, from < entries.count ? std::min(sizes[r], entries.count - from) : 0};
    };
    worker.share(end - base, [&](size_t i, const auto& next) {
      const Block block = block_of(base + i);
      if (block.n > 0) attend(block, [&] { return block_of(base + next()); }, i);
    });
    worker.share(rows * heads, [&](size_t i) {
      const size_t r = i / heads;
      const size_t blocks = (entries_of(step, t0 + r, selection).count + sizes[r] - 1) / sizes[r];
      for (size_t item = std::max(base, first_item[r]); item < std::min(end, first_item[r] + blocks); ++item) {
        const size_t part = (item - base) * heads + i % heads;
        merge_block(item == first_item[r], memory[at.part_peak + part], memory[at.part_mass + part],
                    memory + at.part_mean + part * width, width, memory + at.peak + i, memory + at.mass + i,
                    memory + at.mean + i * width);
      }
    });
  }
}

inline size_t fixed_split(size_t) { return kSplit; }

/** queries[r][h] = kvBKey[h]^T qNope[t0 + r][h], in either layout of kvBKey. */
inline void absorb(const MlaAttentionOp& op, Worker& worker, size_t t0, size_t rows, float* queries) {
  const size_t nope = op.q_nope.last, heads = op.q_nope.width / nope, latent = op.latent->width;
  if (op.latent_major) {
    const size_t tiles = (latent + kTile - 1) / kTile;
    worker.share(heads * tiles, [&](size_t item) {
      const size_t h = item / tiles, from = item % tiles * kTile, count = std::min(kTile, latent - from);
      const float* keys[kTile];
      const float* xs[kAttentionRows];
      point_to_rows(f32_rows(*op.key, h * latent + from, count, worker.scratch), nope, count, keys);
      point_to_rows(op.q_nope.data + t0 * op.q_nope.width + h * nope, op.q_nope.width, rows, xs);
      dots(keys, count, xs, rows, nope, queries + h * latent + from, heads * latent);
    });
    return;
  }
  worker.share(heads, [&](size_t h) {
    for (size_t n = 0; n < nope; n += kTile) {
      const size_t count = std::min(kTile, nope - n);
      const float* keys[kTile];
      point_to_rows(f32_rows(*op.key, h * nope + n, count, worker.scratch), latent, count, keys);
      const float* x = op.q_nope.data + t0 * op.q_nope.width + h * nope + n;
      weighted_sums(x, op.q_nope.width, rows, keys, count, latent, n > 0, queries + h * latent, heads * latent);
    }
  });
}

/** Weighted sums of latents [rows, heads, width] and the sums of their weights [rows, heads]. */
struct Means {
  const float* mean;
  const float* mass;
  size_t heads, width;
};

/** out[t0 + r][h] = kvBValue[h] mean[r][h] / mass[r][h] */
inline void expand_values(const MlaAttentionOp& op, Worker& worker, size_t t0, size_t rows, const Means& means) {
  const size_t heads = op.q_nope.width / op.q_nope.last, latent = op.latent->width, v = op.out.width / heads;
  const size_t tiles = (v + kTile - 1) / kTile;
  worker.share(heads * tiles, [&](size_t item) {
    const size_t h = item / tiles, from = item % tiles * kTile, count = std::min(kTile, v - from);
    const float* values[kTile];
    const float* xs[kAttentionRows];
    point_to_rows(f32_rows(*op.value, h * v + from, count, worker.scratch), latent, count, values);
    point_to_rows(means.mean + h * means.width, means.heads * means.width, rows, xs);
    float* out = op.out.data + t0 * op.out.width + h * v + from;
    dots(values, count, xs, rows, latent, out, op.out.width);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < count; ++i) out[r * op.out.width + i] /= means.mass[r * means.heads + h];
    }
  });
}

inline void mla_attention_exact(const MlaAttentionOp& op, const Step& step, Worker& worker) {
  const size_t heads = op.q_nope.width / op.q_nope.last, latent = op.latent->width, rope = op.k_rope->width;
  const AttentionScratch at(heads, latent, latent);
  float* memory = step.scratch.floats.data();
  for (size_t t0 = 0; t0 < step.batch.rows; t0 += kAttentionRows) {
    const size_t rows = std::min(kAttentionRows, step.batch.rows - t0);
    absorb(op, worker, t0, rows, memory + at.queries);
    const auto attend = [&](const Block& block, const auto&, size_t part) {
      const size_t t = block.t, n = block.n;
      size_t cache_rows[kSplit];
      list_cache_rows(step, block, 0, n, cache_rows);
      const float* latents[kSplit];
      const float* ropes[kSplit];
      const float* queries[kMaxHeads];
      for (size_t s = 0; s < n; ++s) {
        latents[s] = op.latent->floats(cache_rows[s]);
        ropes[s] = op.k_rope->floats(cache_rows[s]);
      }
      const Heads all{heads,
                      memory + at.queries + (t - t0) * heads * latent,
                      latent,
                      op.q_rope.data + t * op.q_rope.width,
                      rope,
                      op.scale,
                      memory + at.part_peak + part * heads,
                      memory + at.part_mass + part * heads,
                      memory + at.part_mean + part * heads * latent,
                      latent};
      attend_block(all, latents, ropes, latents, n, queries, worker.scratch);
    };
    attend_rows(step, worker, t0, rows, heads, latent, at, op.selected ? &op.selection : nullptr, fixed_split, attend);
    expand_values(op, worker, t0, rows, {memory + at.mean, memory + at.mass, heads, latent});
  }
}

inline void gqa_attention_exact(const GqaAttentionOp& op, const Step& step, Worker& worker) {
  const size_t dim = op.q.last, heads = op.q.width / dim, group = heads / op.kv_heads;
  const AttentionScratch at(heads, 0, dim);
  float* memory = step.scratch.floats.data();
  for (size_t t0 = 0; t0 < step.batch.rows; t0 += kAttentionRows) {
    const size_t rows = std::min(kAttentionRows, step.batch.rows - t0);
    const auto attend = [&](const Block& block, const auto&, size_t part) {
      const size_t t = block.t, n = block.n;
      size_t cache_rows[kSplit];
      list_cache_rows(step, block, 0, n, cache_rows);
      const float* keys[kSplit];
      const float* values[kSplit];
      const float* queries[kMaxHeads];
      for (size_t g = 0; g < op.kv_heads; ++g) {
        for (size_t s = 0; s < n; ++s) {
          keys[s] = op.key->floats(cache_rows[s]) + g * dim;
          values[s] = op.value->floats(cache_rows[s]) + g * dim;
        }
        const size_t first = part * heads + g * group;
        const Heads some{group,
                         op.q.data + t * op.q.width + g * group * dim,
                         dim,
                         nullptr,
                         0,
                         op.scale,
                         memory + at.part_peak + first,
                         memory + at.part_mass + first,
                         memory + at.part_mean + first * dim,
                         dim};
        attend_block(some, keys, nullptr, values, n, queries, worker.scratch);
      }
    };
    attend_rows(step, worker, t0, rows, heads, dim, at, nullptr, fixed_split, attend);
    worker.share(rows, [&](size_t r) {
      for (size_t h = 0; h < heads; ++h) {
        const float* mean = memory + at.mean + (r * heads + h) * dim;
        float* out = op.out.data + (t0 + r) * op.out.width + h * dim;
        for (size_t i = 0; i < dim; ++i) out[i] = mean[i] / memory[at.mass + r * heads + h];
      }
    });
  }
}

/** The topK positions with the highest index score; ties: the lower position. */
inline void indexer_select(const IndexerSelectOp& op, const Step& step, Worker& worker) {
  const size_t dim = op.q.last, heads = op.q.width / dim;
  worker.share(step.batch.rows, [&](size_t t) {
    const size_t count = static_cast<size_t>(step.batch.positions[t]) + 1;
    float* matches = worker.scratch;  // [heads, kTile]
    float* decoded = matches + heads * kTile;
    float* scores = decoded + kTile * dim;
    uint32_t* best = reinterpret_cast<uint32_t*>(scores + count);
    const float* queries[kMaxHeads];
    point_to_rows(op.q.data + t * op.q.width, dim, heads, queries);
    for (size_t s = 0; s < count; s += kTile) {
      const size_t n = std::min(kTile, count - s);
      const float* keys[kTile];
      point_to_rows(decoded, dim, n, keys);
      for (size_t i = 0; i < n; ++i) read_cache(*op.key, step.cache_row(t, s + i), 0, dim, decoded + i * dim);
      dots(keys, n, queries, heads, dim, matches, kTile);
      for (size_t i = 0; i < n; ++i) {
        double score = 0;
        for (size_t h = 0; h < heads; ++h) {
          const float match = matches[h * kTile + i];
          if (match > 0) score += static_cast<double>(op.head_weights.data[t * heads + h]) * match;
        }
        // A NaN would leave the order below undefined.
        scores[s + i] = score == score ? static_cast<float>(score) : -std::numeric_limits<float>::infinity();
      }
    }
    for (size_t s = 0; s < count; ++s) best[s] = static_cast<uint32_t>(s);
    const size_t kept = std::min<size_t>(op.top_k, count);
    const auto higher = [&](uint32_t a, uint32_t b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); };
    if (kept < count) std::nth_element(best, best + kept, best + count, higher);
    std::sort(best, best + kept);
    int32_t* out = op.out.ints() + t * op.out.width;
    for (size_t k = 0; k < op.out.width; ++k) out[k] = k < kept ? static_cast<int32_t>(best[k]) : -1;
  });
}

}  // namespace dts::DTS_TARGET
