// Absorbed attention to latents as integers: those that the cache has in blocks of 32 codes of 8 bits meet queries rounded to
// such too, those of f16 become codes of 14 bits like the queries that they meet (kernels/cpu/qgemm). Only the rope part of the scores
// is in f32. It needs less memory than the form in f32, whose scratch it takes.
namespace dts::DTS_TARGET {

struct LatentCodes {
  const MlaAttentionOp& op;
  const qgemm::Table& products;
  /** Queries of a row, filled up. */
  size_t lanes;

  size_t latent() const { return op.latent->width; }
  size_t blocks() const { return latent() / qgemm::kColumnsPerBlock; }
  bool wide() const { return op.latent->dtype == DType::F16; }

  /** Writes `heads` absorbed queries [heads, latent] as a packed matrix [lanes, latent], in place of as many floats. */
  void pack(const float* queries, size_t heads, float* packed, float* scratch) const {
    if (wide()) {
      float* steps = packed + latent() / 2 * lanes;
      return products.pack_wide(queries, latent(), heads, latent(), lanes, reinterpret_cast<int32_t*>(packed), steps);
    }
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
    float* ropes = scratch;
    float* factors = ropes + kChunk * stride;
    float* scores = factors + lanes;
    float* rest = scores + kChunk * lanes;
    const uint8_t* rows[kChunk];
    const uint8_t* next[kChunk];
    for (size_t i = 0; i < n; ++i) {
      rows[i] = op.latent->row(cache_rows[i]);
      read_cache(*op.k_rope, cache_rows[i], 0, rope, ropes + i * stride);
    }
    for (size_t i = 0; more > 0 && i < kChunk; ++i) {
      const size_t row = cache_rows[n + std::min(i, more - 1)];
      next[i] = op.latent->row(row);
      __builtin_prefetch(op.k_rope->row(row));
      __builtin_prefetch(op.k_rope->row(row) + op.k_rope->row_bytes - 1);
    }
    const uint8_t* const* ahead = more > 0 ? next : nullptr;
    const auto weigh_scores = [&] {
      multiply(n, lanes, {ropes, stride, 1}, flash.q + latent() * lanes, lanes, rope, true, scores, lanes);
      renew(flash, n, first, scores, factors);
    };
    if (wide()) {
      auto* codes = reinterpret_cast<int16_t*>(rest + blocks());
      products.read_f16(rows, n, blocks(), codes, latent(), rest);
      const qgemm::WideRows latents{codes, rest, n, blocks(), latent(), ahead};
      products.wide_gemm({reinterpret_cast<const int32_t*>(flash.q), flash.q + latent() / 2 * lanes, lanes}, latents, scores, lanes);
      weigh_scores();
      products.wide_mix(scores, lanes, lanes, latents, flash.mean, flash.values);
    } else {
      auto* starts = reinterpret_cast<int32_t*>(rest + kChunk * blocks());
      products.read_q8_0(rows, n, blocks(), rest, starts);
      const qgemm::StoredRows latents{rows, n, blocks(), rest, starts, ahead};
      products.stored_gemm({qgemm::Type::Q8_0, lanes, latent(), reinterpret_cast<const uint8_t*>(flash.q)}, latents, scores, lanes);
      weigh_scores();
      products.mix(scores, lanes, lanes, latents, flash.mean, flash.values);
    }
  }
};

}  // namespace dts::DTS_TARGET
