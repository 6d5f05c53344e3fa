// Absorbed attention to latents as integers: those that the cache has in blocks of 32 codes of 8 bits meet queries rounded to
// such too, and only the rope part of the scores is in f32; those of f16 become codes of 14 bits with their rope keys, like the
// queries that they meet (kernels/cpu/qgemm).
namespace dts::DTS_TARGET {

struct LatentCodes {
  const MlaAttentionOp& op;
  const qgemm::Table& products;
  /** Queries of a row, filled up. */
  size_t lanes;

  size_t latent() const { return op.latent->width; }
  size_t rope() const { return op.k_rope->width; }
  size_t blocks() const { return latent() / qgemm::kColumnsPerBlock; }
  bool wide() const { return op.latent->dtype == DType::F16; }
  /** Entries that are taken at once. */
  size_t chunk() const { return wide() ? kWideChunk : kChunk; }

  /**
   * Writes the queries of row t, in place of as many floats: [lanes, latent] as a packed matrix, with the rope part behind it as
   * [rope, lanes] floats behind latent * lanes; or all of them in codes of 14 bits with the steps behind them.
   * @param absorbed [heads, latent]
   */
  void pack(const float* absorbed, size_t heads, size_t t, float* packed, float* scratch) const {
    const float* q_rope = op.q_rope.data + t * op.q_rope.width;
    if (wide()) {
      auto* codes = reinterpret_cast<int32_t*>(packed);
      float* steps = packed + (latent() + rope()) / 2 * lanes;
      products.pack_wide(absorbed, latent(), heads, latent(), lanes, codes, steps);
      products.pack_wide(q_rope, rope(), heads, rope(), lanes, codes + latent() / 2 * lanes, steps + blocks() * lanes);
      return;
    }
    float* ropes = packed + latent() * lanes;
    std::fill_n(ropes, rope() * lanes, 0.0f);
    for (size_t h = 0; h < heads; ++h) scatter(q_rope + h * rope(), rope(), ropes + h, lanes);
    auto* raw = reinterpret_cast<uint8_t*>(scratch);
    const size_t row_bytes = op.latent->row_bytes;
    for (size_t first = 0; first < lanes; first += kPad) {
      std::fill_n(raw, kPad * row_bytes, uint8_t{0});
      for (size_t h = first; h < std::min(heads, first + kPad); ++h) write_q8_0(absorbed + h * latent(), latent(), raw + (h - first) * row_bytes);
      products.pack(qgemm::Type::Q8_0, raw, first, first + kPad, latent(), reinterpret_cast<uint8_t*>(packed));
    }
  }

  /**
   * One more chunk.
   * @param flash its queries: what pack wrote
   * @param next likely comes next, and comes from memory while this chunk is computed
   */
  void attend(const Flash& flash, const CacheRows& now, const CacheRows& next, size_t first, float* scratch) const {
    const Stored rows(op, now, now.n), ahead(op, next, chunk());
    float* factors = scratch;
    float* scores = factors + lanes;
    float* rest = scores + chunk() * lanes;
    if (wide()) attend_wide(flash, rows, ahead, first, factors, scores, rest);
    else attend_stored(flash, rows, ahead, first, factors, scores, rest);
  }

 private:
  /** Where cache rows lie: `filled` of them, by repeating the last; none where there are none. */
  struct Stored {
    const size_t* rows;
    size_t n;
    const uint8_t* latents[kWideChunk];
    const uint8_t* ropes[kWideChunk];

    Stored(const MlaAttentionOp& op, const CacheRows& from, size_t filled) : rows(from.rows), n(from.n) {
      for (size_t i = 0; n > 0 && i < filled; ++i) {
        const size_t row = rows[std::min(i, n - 1)];
        latents[i] = op.latent->row(row);
        ropes[i] = op.k_rope->row(row);
      }
    }
  };

  void attend_wide(const Flash& flash, const Stored& x, const Stored& ahead, size_t first, float* factors, float* scores, float* rest) const {
    const size_t all = blocks() + rope() / qgemm::kColumnsPerBlock, width = latent() + rope();
    auto* codes = reinterpret_cast<int16_t*>(rest + padded(all));
    products.read_f16(x.latents, x.n, blocks(), codes, width, rest);
    products.read_f16(x.ropes, x.n, all - blocks(), codes + latent(), width, rest + blocks());
    const qgemm::WideQueries queries{reinterpret_cast<const int32_t*>(flash.q), flash.q + width / 2 * lanes, lanes};
    products.wide_gemm(queries, {codes, rest, x.n, all, width, ahead.n > 0 ? ahead.ropes : nullptr, blocks()}, scores, lanes);
    renew(flash, x.n, first, scores, factors);
    const qgemm::WideRows latents{codes, rest, x.n, blocks(), width, ahead.n > 0 ? ahead.latents : nullptr, 0};
    products.wide_mix(scores, lanes, lanes, latents, flash.onto, flash.mean, flash.values);
  }

  void attend_stored(const Flash& flash, const Stored& x, const Stored& ahead, size_t first, float* factors, float* scores, float* rest) const {
    const size_t stride = odd_stride(rope());
    float* ropes = rest + 2 * kChunk * blocks();
    for (size_t i = 0; i < x.n; ++i) {
      read_cache(*op.k_rope, x.rows[i], 0, rope(), ropes + i * stride);
      if (ahead.n == 0) continue;
      __builtin_prefetch(ahead.ropes[i], 0, 2);
      __builtin_prefetch(ahead.ropes[i] + op.k_rope->row_bytes - 1, 0, 2);
    }
    auto* starts = reinterpret_cast<int32_t*>(rest + kChunk * blocks());
    products.read_q8_0(x.latents, x.n, blocks(), rest, starts);
    const qgemm::StoredRows latents{x.latents, x.n, blocks(), rest, starts, ahead.n > 0 ? ahead.latents : nullptr};
    products.stored_gemm({qgemm::Type::Q8_0, lanes, latent(), reinterpret_cast<const uint8_t*>(flash.q)}, latents, scores, lanes);
    multiply(x.n, lanes, {ropes, stride, 1}, flash.q + latent() * lanes, lanes, rope(), true, scores, lanes);
    renew(flash, x.n, first, scores, factors);
    products.mix(scores, lanes, lanes, latents, flash.onto, flash.mean, flash.values);
  }
};

}  // namespace dts::DTS_TARGET
