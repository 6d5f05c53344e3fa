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
   * @param more rows that follow the n in cache_rows: they come from memory while this chunk is computed
   */
  void attend(const Flash& flash, const size_t* cache_rows, size_t n, size_t more, size_t first, float* scratch) const {
    const uint8_t* rows[kWideChunk];
    const uint8_t* next[kWideChunk];
    for (size_t i = 0; i < n; ++i) rows[i] = op.latent->row(cache_rows[i]);
    for (size_t i = 0; more > 0 && i < chunk(); ++i) {
      const size_t row = cache_rows[n + std::min(i, more - 1)];
      next[i] = op.latent->row(row);
      __builtin_prefetch(op.k_rope->row(row), 0, 2);
      __builtin_prefetch(op.k_rope->row(row) + op.k_rope->row_bytes - 1, 0, 2);
    }
    const uint8_t* const* ahead = more > 0 ? next : nullptr;
    float* factors = scratch;
    float* scores = factors + lanes;
    float* rest = scores + chunk() * lanes;
    if (wide()) attend_wide(flash, cache_rows, {rows, n, ahead}, first, factors, scores, rest);
    else attend_stored(flash, cache_rows, {rows, n, ahead}, first, factors, scores, rest);
  }

 private:
  struct Rows {
    const uint8_t* const* rows;
    size_t n;
    const uint8_t* const* ahead;
  };

  void attend_wide(const Flash& flash, const size_t* cache_rows, const Rows& x, size_t first, float* factors, float* scores,
                   float* rest) const {
    const size_t all = blocks() + rope() / qgemm::kColumnsPerBlock, width = latent() + rope();
    auto* codes = reinterpret_cast<int16_t*>(rest + padded(all));
    const uint8_t* ropes[kWideChunk];
    for (size_t i = 0; i < x.n; ++i) ropes[i] = op.k_rope->row(cache_rows[i]);
    products.read_f16(x.rows, x.n, blocks(), codes, width, rest);
    products.read_f16(ropes, x.n, all - blocks(), codes + latent(), width, rest + blocks());
    const qgemm::WideQueries queries{reinterpret_cast<const int32_t*>(flash.q), flash.q + width / 2 * lanes, lanes};
    products.wide_gemm(queries, {codes, rest, x.n, all, width, nullptr}, scores, lanes);
    renew(flash, x.n, first, scores, factors);
    products.wide_mix(scores, lanes, lanes, {codes, rest, x.n, blocks(), width, x.ahead}, flash.onto, flash.mean, flash.values);
  }

  void attend_stored(const Flash& flash, const size_t* cache_rows, const Rows& x, size_t first, float* factors, float* scores,
                     float* rest) const {
    const size_t stride = odd_stride(rope());
    float* ropes = rest + 2 * kChunk * blocks();
    for (size_t i = 0; i < x.n; ++i) read_cache(*op.k_rope, cache_rows[i], 0, rope(), ropes + i * stride);
    auto* starts = reinterpret_cast<int32_t*>(rest + kChunk * blocks());
    products.read_q8_0(x.rows, x.n, blocks(), rest, starts);
    const qgemm::StoredRows latents{x.rows, x.n, blocks(), rest, starts, x.ahead};
    products.stored_gemm({qgemm::Type::Q8_0, lanes, latent(), reinterpret_cast<const uint8_t*>(flash.q)}, latents, scores, lanes);
    multiply(x.n, lanes, {ropes, stride, 1}, flash.q + latent() * lanes, lanes, rope(), true, scores, lanes);
    renew(flash, x.n, first, scores, factors);
    products.mix(scores, lanes, lanes, latents, flash.onto, flash.mean, flash.values);
  }
};

}  // namespace dts::DTS_TARGET
