// sum_codes of simd_scalar.h where there is AVX2, whatever the width of the target's vectors.
namespace dts::qgemm::DTS_TARGET {

// There is an instruction for sums of eight bytes, unsigned ones.
DTS_INLINE void sum_codes(const int8_t* const (&q)[4], int32_t* sums) {
  __m256i eights[4];
  DTS_UNROLL for (size_t n = 0; n < 4; ++n) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q[n]));
    eights[n] = _mm256_sad_epu8(_mm256_xor_si256(codes, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  }
  const __m256i first = _mm256_or_si256(eights[0], _mm256_slli_epi64(eights[1], 32));
  const __m256i second = _mm256_or_si256(eights[2], _mm256_slli_epi64(eights[3], 32));
  const __m256i sixteens = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
  const __m128i all = _mm_add_epi32(_mm256_castsi256_si128(sixteens), _mm256_extracti128_si256(sixteens, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), _mm_sub_epi32(all, _mm_set1_epi32(32 * 128)));
}

}  // namespace dts::qgemm::DTS_TARGET
