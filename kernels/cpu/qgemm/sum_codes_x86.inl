// sum_codes of simd_scalar.h where there is AVX2, whatever the width of the target's vectors.
namespace dts::qgemm::DTS_TARGET {

// There is an instruction for sums of bytes, unsigned ones.
DTS_INLINE void sum_codes(const int8_t* q, int32_t (&sums)[2]) {
  const __m256i codes = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(q)), _mm256_set1_epi8(-128));
  const __m256i eights = _mm256_sad_epu8(codes, _mm256_setzero_si256());
  const __m256i halves = _mm256_add_epi32(eights, _mm256_shuffle_epi32(eights, 0x4e));
  sums[0] = _mm256_extract_epi32(halves, 0) - 16 * 128;
  sums[1] = _mm256_extract_epi32(halves, 4) - 16 * 128;
}

}  // namespace dts::qgemm::DTS_TARGET
