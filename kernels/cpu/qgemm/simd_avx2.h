// Vectors of 256 bits: AVX2, FMA and F16C, with DTS_AVXVNNI also AVX-VNNI. What the names mean: simd_scalar.h.
#include <immintrin.h>

// Keeps the compiler from adding up a sum in another order, which would take more registers than there are.
#define DTS_IN_ORDER(v) __asm__("" : "+x"(v))

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kLanes = 8;
inline constexpr size_t kMaxRows = 4;
inline constexpr size_t kPanels = 2;
#ifdef DTS_AVXVNNI
inline constexpr size_t kChains = 4;
inline constexpr bool kSigned8 = false;
#else
inline constexpr size_t kChains = 2;
inline constexpr bool kSigned8 = true;
#endif
inline constexpr int32_t kBias = 0x4b400000;

DTS_INLINE __m256i load_256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
DTS_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

struct I32 {
  __m256i v;
  DTS_INLINE static I32 splat(int32_t x) { return {_mm256_set1_epi32(x)}; }
  DTS_INLINE static I32 bytes(const uint8_t* p) { return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))}; }
  DTS_INLINE static I32 halves(const uint8_t* p) { return {_mm256_cvtepu16_epi32(load_128(p))}; }
  DTS_INLINE static I32 load(const uint8_t* p) { return {load_256(p)}; }
  DTS_INLINE void store(int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  DTS_INLINE I32 bits(int shift, int32_t mask) const {
    return {_mm256_and_si256(_mm256_srli_epi32(v, shift), _mm256_set1_epi32(mask))};
  }
  template <int kShift>
  DTS_INLINE I32 shifted_left() const {
    return {_mm256_slli_epi32(v, kShift)};
  }
};
DTS_INLINE I32 operator|(I32 a, I32 b) { return {_mm256_or_si256(a.v, b.v)}; }
DTS_INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }

struct F32 {
  __m256 v;
  DTS_INLINE static F32 splat(float x) { return {_mm256_set1_ps(x)}; }
  DTS_INLINE static F32 zero() { return {_mm256_setzero_ps()}; }
  DTS_INLINE static F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  DTS_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  DTS_INLINE static F32 of(I32 a) { return {_mm256_cvtepi32_ps(a.v)}; }
  DTS_INLINE static F32 halves(const uint8_t* p) { return {_mm256_cvtph_ps(load_128(p))}; }
  DTS_INLINE I32 rounded() const { return {_mm256_cvtps_epi32(v)}; }
  DTS_INLINE static F32 bits(I32 a) { return {_mm256_castsi256_ps(a.v)}; }
};
DTS_INLINE F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
DTS_INLINE F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
DTS_INLINE F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
DTS_INLINE F32 clamp(F32 a, float low, float high) {
  return {_mm256_min_ps(_mm256_max_ps(a.v, _mm256_set1_ps(low)), _mm256_set1_ps(high))};
}
DTS_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

// An int32 n beside kBias, the bits of 3 · 2^22, is the float 3 · 2^22 + n, so one fused instruction converts and scales:
// exactly, where 3 · 2^22 · scale is a float, that is for scales of at most 22 bits.
DTS_INLINE F32 shift_of(F32 scale) { return scale * F32::splat(-12582912.f); }
DTS_INLINE F32 scaled(I32 dot, F32 scale, F32 shift) { return fma(F32::bits(dot), scale, shift); }

struct U8 {
  __m256i v;
  DTS_INLINE static U8 load(const uint8_t* p) { return {load_256(p)}; }
  DTS_INLINE U8 low_nibbles() const { return {_mm256_and_si256(v, _mm256_set1_epi8(0x0f))}; }
  DTS_INLINE U8 high_nibbles() const { return {_mm256_and_si256(_mm256_srli_epi32(v, 4), _mm256_set1_epi8(0x0f))}; }
  template <int kBit, uint8_t kMask>
  DTS_INLINE U8 to_bit4() const {
    const __m256i moved = kBit < 4 ? _mm256_slli_epi32(v, 4 - kBit & 7) : _mm256_srli_epi32(v, kBit - 4 & 7);
    return {_mm256_and_si256(moved, _mm256_set1_epi8(kMask))};
  }
  DTS_INLINE U8 looked_up(const uint8_t* table) const {
    return {_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load_128(table)), v)};
  }
};
DTS_INLINE U8 operator|(U8 a, U8 b) { return {_mm256_or_si256(a.v, b.v)}; }

DTS_INLINE __m256i four_codes(const int8_t* x, size_t j) {
  int32_t four;
  std::memcpy(&four, x + 4 * j, 4);
  return _mm256_set1_epi32(four);
}

#ifdef DTS_AVXVNNI

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
    DTS_UNROLL for (size_t n = 0; n < N; ++n) acc[n].v = _mm256_dpbusd_avx_epi32(acc[n].v, w[j].v, four_codes(x[n], j));
  }
}

#else

// Products of code and activation are summed in pairs to int16; so many such sums fit one int16.
template <int kMaxCode>
inline constexpr size_t kSumsOfPairs = 32767 / (2 * 127 * kMaxCode);

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kMaxCode == 255) {
    // |w| · (x with the sign of w): at most 2 · 128 · 127 for a pair, which fits.
    DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
      const __m256i code = _mm256_xor_si256(w[j].v, _mm256_set1_epi8(-128));
      const __m256i magnitude = _mm256_abs_epi8(code);
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four_codes(x[n], j), code));
        acc[n].v = _mm256_add_epi32(acc[n].v, _mm256_madd_epi16(pairs, ones));
      }
    }
  } else {
    constexpr size_t kFit = kSumsOfPairs<kMaxCode>;
    constexpr size_t kRun = kFit >= 8 ? kCount : kFit >= 4 ? 4 : 2;
    static_assert(kFit >= 2 && kCount % kRun == 0);
    DTS_UNROLL for (size_t first = kFirst; first < kFirst + kCount; first += kRun) {
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        __m256i pairs = _mm256_maddubs_epi16(w[first].v, four_codes(x[n], first));
        DTS_UNROLL for (size_t j = 1; j < kRun; ++j)
          pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w[first + j].v, four_codes(x[n], first + j)));
        acc[n].v = _mm256_add_epi32(acc[n].v, _mm256_madd_epi16(pairs, ones));
      }
    }
  }
}

#endif

#define DTS_PANEL_DOTS
// dots for panels whose codes lie in memory.
template <int kMaxCode, size_t kFirst, size_t kCount, size_t P, size_t N>
DTS_INLINE void panel_dots(I32 (&acc)[P][N], const U8* const (&w)[P], const int8_t* const (&x)[N]) {
#ifdef DTS_AVXVNNI
  DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
    DTS_UNROLL for (size_t n = 0; n < N; ++n) {
      const __m256i four = four_codes(x[n], j);
      DTS_UNROLL for (size_t p = 0; p < P; ++p) acc[p][n].v = _mm256_dpbusd_avx_epi32(acc[p][n].v, w[p][j].v, four);
    }
  }
#else
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kMaxCode == 255) {
    DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
      DTS_UNROLL for (size_t p = 0; p < P; ++p) {
        const __m256i code = _mm256_xor_si256(w[p][j].v, _mm256_set1_epi8(-128));
        const __m256i magnitude = _mm256_abs_epi8(code);
        DTS_UNROLL for (size_t n = 0; n < N; ++n) {
          const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four_codes(x[n], j), code));
          acc[p][n].v = _mm256_add_epi32(acc[p][n].v, _mm256_madd_epi16(pairs, ones));
          DTS_IN_ORDER(acc[p][n].v);
        }
      }
    }
  } else {
    constexpr size_t kFit = kSumsOfPairs<kMaxCode>;
    constexpr size_t kRun = kFit >= 8 ? kCount : kFit >= 4 ? 4 : 2;
    DTS_UNROLL for (size_t first = kFirst; first < kFirst + kCount; first += kRun) {
      __m256i pairs[P][N];
      DTS_UNROLL for (size_t j = first; j < first + kRun; ++j) {
        DTS_UNROLL for (size_t n = 0; n < N; ++n) {
          const __m256i four = four_codes(x[n], j);
          DTS_UNROLL for (size_t p = 0; p < P; ++p) {
            const __m256i products = _mm256_maddubs_epi16(w[p][j].v, four);
            pairs[p][n] = j == first ? products : _mm256_add_epi16(pairs[p][n], products);
            DTS_IN_ORDER(pairs[p][n]);
          }
        }
      }
      DTS_UNROLL for (size_t p = 0; p < P; ++p) {
        DTS_UNROLL for (size_t n = 0; n < N; ++n) acc[p][n].v = _mm256_add_epi32(acc[p][n].v, _mm256_madd_epi16(pairs[p][n], ones));
      }
    }
  }
#endif
}

DTS_INLINE void pairs(const int8_t* a, const int8_t* b, I32 (&out)[4]) {
  for (size_t half = 0; half < 2; ++half) {
    const __m128i x = load_128(a + 16 * half), y = load_128(b + 16 * half);
    out[2 * half].v = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
    out[2 * half + 1].v = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(x, y));
  }
}

DTS_INLINE void add_pairs(I32& acc, I32 codes, const int32_t* factors) {
  const __m256i both = _mm256_set1_epi32(*factors);
#ifdef DTS_AVXVNNI
  acc.v = _mm256_dpwssd_avx_epi32(acc.v, codes.v, both);
#else
  acc.v = _mm256_add_epi32(acc.v, _mm256_madd_epi16(codes.v, both));
  DTS_IN_ORDER(acc.v);
#endif
}

DTS_INLINE uint32_t largest(const float* x) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  for (int i = 0; i < 32; i += 8) most = _mm256_max_epu32(most, _mm256_and_si256(load_256(x + i), magnitude));
  __m128i half = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
}

DTS_INLINE void round_block(const float* x, float inverse, int8_t* q, int32_t (&sums)[2]) {
  for (int half = 0; half < 2; ++half, x += 16, q += 16) {
    const __m256 scale = _mm256_set1_ps(inverse);
    const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), scale));
    const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), scale));
    const __m256i sum = _mm256_add_epi32(a, b);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    sums[half] = _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q), bytes);
  }
}

}  // namespace dts::qgemm::DTS_TARGET

#undef DTS_IN_ORDER
