// Vectors of AVX-512 (F, BW, VL, DQ). The meaning of each function is in simd_scalar.h.
namespace dts::DTS_TARGET {

struct F32 {
  static constexpr size_t lanes = 16;
  static constexpr size_t dot_cols = 5;
  static constexpr size_t sum_rows = 4, sum_vectors = 4;
  __m512 v;

  static F32 splat(float x) { return {_mm512_set1_ps(x)}; }
  static F32 zero() { return {_mm512_setzero_ps()}; }
  static F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static __mmask16 mask(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F32 load_n(const float* p, size_t n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static F32 from_f16(const uint8_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static F32 from_bf16(const uint8_t* p) {
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))};
  }
  // As f16 that are 2^8 too small; 2^-8 times 480, the code of NaN, gets the exponent of NaN.
  static F32 from_f8(const uint8_t* p) {
    const __m256i codes = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i small = _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(static_cast<short>(0xbfff)));
    const __m256i nan = _mm256_and_si256(_mm256_add_epi16(small, _mm256_set1_epi16(0x80)), _mm256_set1_epi16(0x4000));
    return {_mm512_mul_ps(_mm512_cvtph_ps(_mm256_or_si256(small, nan)), _mm512_set1_ps(256))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_n(float* p, size_t n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
  float sum() const {
    const __m512d eight = _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return static_cast<float>(_mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x))));
  }
  static void sums(F32 a, F32 b, F32 c, F32 d, float* out) {
    const auto eight = [](F32 x) {
      return _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(x.v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1)));
    };
    const auto fours = [](__m512d x, __m512d y) {
      return _mm512_add_pd(_mm512_shuffle_f64x2(x, y, 0x44), _mm512_shuffle_f64x2(x, y, 0xee));
    };
    const __m512d ab = fours(eight(a), eight(b)), cd = fours(eight(c), eight(d));
    const __m512d twos = _mm512_add_pd(_mm512_shuffle_f64x2(ab, cd, 0x88), _mm512_shuffle_f64x2(ab, cd, 0xdd));
    const __m128 acbd = _mm256_cvtpd_ps(_mm256_hadd_pd(_mm512_castpd512_pd256(twos), _mm512_extractf64x4_pd(twos, 1)));
    _mm_storeu_ps(out, _mm_shuffle_ps(acbd, acbd, 0xd8));
  }
  float largest() const { return _mm512_reduce_max_ps(v); }
};

inline F32 add(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32 sub(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32 mul(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32 div(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32 where_less(F32 a, F32 b, F32 yes, F32 no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
inline F32 round(F32 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline F32 pow2(F32 n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}

}  // namespace dts::DTS_TARGET
