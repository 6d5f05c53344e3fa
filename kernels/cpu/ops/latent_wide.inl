// Absorbed attention to latents and rope keys of f16 as integers of 14 bits (kernels/cpu/qgemm), where that takes fewer instructions than
// f32. It needs less memory than the form in f32, whose scratch it takes.
namespace dts::DTS_TARGET {

struct LatentWide {
  const MlaAttentionOp& op;
  const qgemm::Table& products;
  /** Queries of a row, filled up. */
  size_t lanes;

  size_t latent() const { return op.latent->width; }
  size_t rope() const { return op.k_rope->width; }
  size_t depth() const { return latent() + rope(); }
  size_t blocks() const { return depth() / qgemm::kColumnsPerBlock; }

  /** Writes `heads` absorbed queries [heads, latent] and their rope parts [heads, rope] in place of [depth, lanes] floats. */
  void pack(const float* queries, const float* ropes, size_t heads, float* packed) const {
    auto* pairs = reinterpret_cast<int32_t*>(packed);
    float* steps = packed + depth() / 2 * lanes;
    products.pack_wide(queries, latent(), heads, latent(), lanes, pairs, steps);
    products.pack_wide(ropes, rope(), heads, rope(), lanes, pairs + latent() / 2 * lanes, steps + latent() / qgemm::kColumnsPerBlock * lanes);
  }

  /** One more chunk, as LatentCodes has it. */
  void attend(const Flash& flash, const size_t* cache_rows, size_t n, size_t more, size_t first, float* scratch) const {
    const size_t values = latent() / qgemm::kColumnsPerBlock;
    auto* codes = reinterpret_cast<int16_t*>(scratch);
    float* steps = scratch + kChunk * depth() / 2;
    float* factors = steps + blocks();
    float* scores = factors + lanes;
    const uint8_t* latents[kChunk];
    const uint8_t* ropes[kChunk];
    const uint8_t* ahead[kChunk];
    for (size_t i = 0; i < n; ++i) {
      latents[i] = op.latent->row(cache_rows[i]);
      ropes[i] = op.k_rope->row(cache_rows[i]);
    }
    for (size_t i = 0; more > 0 && i < kChunk; ++i) {
      const size_t row = cache_rows[n + std::min(i, more - 1)];
      ahead[i] = op.latent->row(row);
      __builtin_prefetch(op.k_rope->row(row));
      __builtin_prefetch(op.k_rope->row(row) + 64);
    }
    products.read_f16(latents, n, values, codes, depth(), steps);
    products.read_f16(ropes, n, blocks() - values, codes + latent(), depth(), steps + values);
    const qgemm::WideRows rows{codes, steps, n, blocks(), depth(), more > 0 ? ahead : nullptr};
    const qgemm::WideQueries queries{reinterpret_cast<const int32_t*>(flash.q), flash.q + depth() / 2 * lanes, lanes};
    products.wide_gemm(queries, rows, scores, lanes);
    renew(flash, n, first, scores, factors);
    products.wide_mix(scores, lanes, lanes, rows, values, flash.mean, flash.values);
  }
};

}  // namespace dts::DTS_TARGET
