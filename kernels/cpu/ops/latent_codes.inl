// Absorbed attention to latents that the cache has in blocks of 32 codes of 8 bits: queries are rounded to such too, so that
// both products are of integers (kernels/cpu/qgemm). Only the rope part of the scores is in f32. It needs less memory than
// the form in f32, whose scratch it takes.
namespace dts::DTS_TARGET {

struct LatentCodes {
  const MlaAttentionOp& op;
  const qgemm::Table& products;
  /** Queries of a row, filled up. */
  size_t lanes;

  size_t latent() const { return op.latent->width; }
  size_t blocks() const { return latent() / qgemm::kColumnsPerBlock; }

  /** Writes `heads` absorbed queries [heads, latent] as a packed matrix [lanes, latent], in place of as many floats. */
  void pack(const float* queries, size_t heads, float* packed, float* scratch) const {
    auto* raw = reinterpret_cast<uint8_t*>(scratch);
    const size_t row_bytes = op.latent->row_bytes;
    for (size_t first = 0; first < lanes; first += kPad) {
      std::fill_n(raw, kPad * row_bytes, uint8_t{0});
      for (size_t h = first; h < std::min(heads, first + kPad); ++h) write_q8_0(queries + h * latent(), latent(), raw + (h - first) * row_bytes);
      products.pack(qgemm::Type::Q8_0, raw, first, first + kPad, latent(), reinterpret_cast<uint8_t*>(packed));
    }
  }

  /**
   * One more chunk.
   * @param flash its queries: the packed matrix, and [rope, lanes] behind latent * lanes floats
   * @param more rows that come after the n: those of the next chunk are on their way from memory while this one is computed
   */
  void attend(const Flash& flash, const size_t* cache_rows, size_t n, size_t more, size_t first, float* scratch) const {
    const size_t rope = op.k_rope->width, stride = odd_stride(rope);
    float* steps = scratch;
    auto* starts = reinterpret_cast<int32_t*>(steps + kChunk * blocks());
    float* ropes = scratch + 2 * kChunk * blocks();
    float* factors = ropes + kChunk * stride;
    float* scores = factors + lanes;
    const uint8_t* rows[kChunk];
    const uint8_t* ahead[kChunk];
    for (size_t i = 0; i < n; ++i) {
      rows[i] = op.latent->row(cache_rows[i]);
      read_cache(*op.k_rope, cache_rows[i], 0, rope, ropes + i * stride);
    }
    products.read_q8_0(rows, n, blocks(), steps, starts);
    for (size_t i = 0; more > 0 && i < kChunk; ++i) {
      const size_t row = cache_rows[n + std::min(i, more - 1)];
      ahead[i] = op.latent->row(row);
      __builtin_prefetch(op.k_rope->row(row));
    }
    const qgemm::StoredRows latents{rows, n, blocks(), steps, starts, more > 0 ? ahead : nullptr};
    const qgemm::Matrix queries{qgemm::Type::Q8_0, lanes, latent(), reinterpret_cast<const uint8_t*>(flash.q)};
    products.stored_gemm(queries, latents, scores, lanes);
    multiply(n, lanes, {ropes, stride, 1}, flash.q + latent() * lanes, lanes, rope, true, scores, lanes);
    renew(flash, n, first, scores, factors);
    products.mix(scores, lanes, lanes, latents, flash.mean, flash.values);
  }
};

}  // namespace dts::DTS_TARGET
