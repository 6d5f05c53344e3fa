// Vectors of AVX2 with FMA and F16C. The meaning of each function is in simd_scalar.h.
namespace dts::DTS_TARGET {

struct F32 {
  static constexpr size_t lanes = 8;
  static constexpr size_t dot_cols = 3;
  static constexpr size_t sum_rows = 4, sum_vectors = 2;
  __m256 v;

  static F32 splat(float x) { return {_mm256_set1_ps(x)}; }
  static F32 zero() { return {_mm256_setzero_ps()}; }
  static F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static __m256i mask(size_t n) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), index);
  }
  static F32 load_n(const float* p, size_t n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static F32 from_f16(const uint8_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static F32 from_bf16(const uint8_t* p) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(words, 16))};
  }
  // As f16 that are 2^8 too small; 2^-8 times 480, the code of NaN, gets the exponent of NaN.
  static F32 from_f8(const uint8_t* p) {
    const __m128i codes = _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m128i small = _mm_and_si128(_mm_slli_epi16(codes, 7), _mm_set1_epi16(static_cast<short>(0xbfff)));
    const __m128i nan = _mm_and_si128(_mm_add_epi16(small, _mm_set1_epi16(0x80)), _mm_set1_epi16(0x4000));
    return {_mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(small, nan)), _mm256_set1_ps(256))};
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_n(float* p, size_t n) const { _mm256_maskstore_ps(p, mask(n), v); }
  float sum() const {
    const __m256d pairs = _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(pairs), _mm256_extractf128_pd(pairs, 1));
    return static_cast<float>(_mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x))));
  }
  static void sums(F32 a, F32 b, F32 c, F32 d, float* out) {
    const auto pairs = [](F32 x) {
      return _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x.v)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1)));
    };
    const auto halves = [](__m256d x, __m256d y) {
      return _mm256_add_pd(_mm256_permute2f128_pd(x, y, 0x20), _mm256_permute2f128_pd(x, y, 0x31));
    };
    const __m128 acbd = _mm256_cvtpd_ps(_mm256_hadd_pd(halves(pairs(a), pairs(b)), halves(pairs(c), pairs(d))));
    _mm_storeu_ps(out, _mm_shuffle_ps(acbd, acbd, 0xd8));
  }
  float largest() const {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
};

inline F32 add(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
inline F32 sub(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline F32 mul(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline F32 div(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
inline F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
inline F32 where_less(F32 a, F32 b, F32 yes, F32 no) {
  return {_mm256_blendv_ps(no.v, yes.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
}
inline F32 round(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline F32 pow2(F32 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23))};
}

}  // namespace dts::DTS_TARGET
