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

  /** One more chunk. @param flash its queries: the packed matrix, and [rope, lanes] behind latent * lanes floats */
  void attend(const Flash& flash, const size_t* cache_rows, size_t n, size_t first, float* scratch) const {
    const size_t rope = op.k_rope->width, stride = odd_stride(rope);
    auto* codes = reinterpret_cast<qgemm::QBlock*>(scratch);
    float* ropes = scratch + kChunk * blocks() * sizeof(qgemm::QBlock) / sizeof(float);
    float* factors = ropes + kChunk * stride;
    float* scores = factors + lanes;
    for (size_t i = 0; i < n; ++i) {
      products.read_q8_0(op.latent->row(cache_rows[i]), blocks(), codes + i * blocks());
      read_cache(*op.k_rope, cache_rows[i], 0, rope, ropes + i * stride);
    }
    const qgemm::Matrix queries{qgemm::Type::Q8_0, lanes, latent(), reinterpret_cast<const uint8_t*>(flash.q)};
    products.gemm(queries, 0, lanes, {codes, nullptr, n}, scores, lanes);
    multiply(n, lanes, {ropes, stride, 1}, flash.q + latent() * lanes, lanes, rope, true, scores, lanes);
    renew(flash, n, first, scores, factors);
    products.mix(scores, lanes, lanes, codes, blocks(), n, flash.mean, flash.values);
  }
};

}  // namespace dts::DTS_TARGET
