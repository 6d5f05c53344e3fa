// Vectors of 512 bits: AVX-512 F, BW, VL, DQ and VNNI. What the names mean: simd_scalar.h.
#include <immintrin.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 takes its own _mm512_undefined for a mistake
#endif

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kLanes = 16;
inline constexpr size_t kMaxRows = 16;
inline constexpr size_t kPanels = 1;
inline constexpr size_t kChains = 8;
inline constexpr bool kSigned8 = false;
inline constexpr int32_t kBias = 0x4b400000;

struct I32 {
  __m512i v;
  DTS_INLINE static I32 splat(int32_t x) { return {_mm512_set1_epi32(x)}; }
  DTS_INLINE static I32 bytes(const uint8_t* p) { return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
  DTS_INLINE static I32 halves(const uint8_t* p) {
    return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  DTS_INLINE static I32 load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  DTS_INLINE void store(int32_t* p) const { _mm512_storeu_si512(p, v); }
  DTS_INLINE I32 bits(int shift, int32_t mask) const {
    return {_mm512_and_si512(_mm512_srli_epi32(v, static_cast<unsigned>(shift)), _mm512_set1_epi32(mask))};
  }
  template <int kShift>
  DTS_INLINE I32 shifted_left() const {
    return {_mm512_slli_epi32(v, kShift)};
  }
};
DTS_INLINE I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
DTS_INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }

struct F32 {
  __m512 v;
  DTS_INLINE static F32 splat(float x) { return {_mm512_set1_ps(x)}; }
  DTS_INLINE static F32 zero() { return {_mm512_setzero_ps()}; }
  DTS_INLINE static F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  DTS_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  DTS_INLINE static F32 of(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }
  DTS_INLINE static F32 halves(const uint8_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  DTS_INLINE I32 rounded() const { return {_mm512_cvtps_epi32(v)}; }
  DTS_INLINE static F32 bits(I32 a) { return {_mm512_castsi512_ps(a.v)}; }
};
DTS_INLINE F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
DTS_INLINE F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
DTS_INLINE F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
DTS_INLINE F32 larger(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
DTS_INLINE F32 clamp(F32 a, float low, float high) {
  return {_mm512_min_ps(_mm512_max_ps(a.v, _mm512_set1_ps(low)), _mm512_set1_ps(high))};
}
DTS_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

// An int32 n beside kBias, the bits of 3 · 2^22, is the float 3 · 2^22 + n, so one fused instruction converts and scales:
// exactly, where 3 · 2^22 · scale is a float, that is for scales of at most 22 bits.
DTS_INLINE F32 shift_of(F32 scale) { return scale * F32::splat(-12582912.f); }
DTS_INLINE F32 scaled(I32 dot, F32 scale, F32 shift) { return fma(F32::bits(dot), scale, shift); }

struct U8 {
  __m512i v;
  DTS_INLINE static U8 load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  DTS_INLINE U8 low_nibbles() const { return {_mm512_and_si512(v, _mm512_set1_epi8(0x0f))}; }
  DTS_INLINE U8 high_nibbles() const { return {_mm512_and_si512(_mm512_srli_epi32(v, 4), _mm512_set1_epi8(0x0f))}; }
  template <int kBit, uint8_t kMask>
  DTS_INLINE U8 to_bit4() const {
    const __m512i moved = kBit < 4 ? _mm512_slli_epi32(v, 4 - kBit & 7) : _mm512_srli_epi32(v, kBit - 4 & 7);
    return {_mm512_and_si512(moved, _mm512_set1_epi8(kMask))};
  }
  DTS_INLINE U8 looked_up(const uint8_t* table) const {
    const __m512i t = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm512_shuffle_epi8(t, v)};
  }
};
DTS_INLINE U8 operator|(U8 a, U8 b) { return {_mm512_or_si512(a.v, b.v)}; }

// acc += w · (4 bytes of x, broadcast). In assembly because GCC 12 does not fold the broadcast into the instruction, and
// the front end then limits the loop.
DTS_INLINE void add_dot(__m512i& acc, __m512i w, const int8_t* x) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*reinterpret_cast<const int8_t(*)[4]>(x)));
}

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
    DTS_UNROLL for (size_t n = 0; n < N; ++n) {
      add_dot(acc[n].v, w[j].v, x[n] + 4 * j);
    }
  }
}

DTS_INLINE void pairs(const int8_t* a, const int8_t* b, I32 (&out)[2]) {
  // Interleaving is by halves of 128 bits: the outer quarters go to the first vector, the inner to the second.
  const __m256i x = _mm256_permute4x64_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)), 0xd8);
  const __m256i y = _mm256_permute4x64_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)), 0xd8);
  out[0].v = _mm512_cvtepi8_epi16(_mm256_unpacklo_epi8(x, y));
  out[1].v = _mm512_cvtepi8_epi16(_mm256_unpackhi_epi8(x, y));
}

// In assembly because GCC 12 moves the sums to other registers and back around the intrinsic.
DTS_INLINE void add_pairs(I32& acc, I32 codes, const int32_t* factors) {
  __asm__("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(codes.v), "m"(*factors));
}

// As add_pairs, of the two codes at p and factors of each lane.
DTS_INLINE void add_stored_pair(I32& acc, I32 factors, const int16_t* p) {
  __asm__("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(acc.v) : "v"(factors.v), "m"(*reinterpret_cast<const int16_t(*)[2]>(p)));
}

// The exponents of f16, by their bits; subnormal ones have that of the smallest normal ones.
alignas(64) inline constexpr int16_t kExponents[32] = {1,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                       16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

// How f16 of exponents up to `top` become codes: a fraction m, 1 <= m < 2, of the exponent `top` becomes m · 2^12.
struct WideScale {
  // For each exponent, and those of negative numbers: what a fraction, times 2^14, is to be multiplied and divided by 2^15.
  __m512i positive, negative;
  // The value of a code's unit.
  float step;

  WideScale() = default;
  DTS_INLINE explicit WideScale(uint16_t largest) {
    const int top = largest >> 10;
    const __m512i shifts = _mm512_sub_epi16(_mm512_load_si512(kExponents), _mm512_set1_epi16(static_cast<int16_t>(top - 13)));
    positive = _mm512_sllv_epi16(_mm512_set1_epi16(1), shifts);  // 0 where it would be less than 1
    negative = _mm512_sub_epi16(_mm512_setzero_si512(), positive);
    // 2^(top - 15 - 12); NaN and infinity make it NaN, and so what comes out of products.
    step = top < 31 ? std::bit_cast<float>((top + 100) << 23) : std::numeric_limits<float>::quiet_NaN();
  }
};

// A block of f16 as codes, in the order that wide_place says: what interleaving two rows by quarters leaves in order.
DTS_INLINE void store_wide(const uint8_t* halves, const WideScale& scale, int16_t* p) {
  const __m512i x = _mm512_permutexvar_epi64(_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0), _mm512_loadu_si512(halves));
  const __m512i behind_point = _mm512_and_si512(_mm512_slli_epi16(x, 4), _mm512_set1_epi16(0x3ff0));
  const __mmask32 normal = _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x7c00));
  const __m512i fraction = _mm512_mask_add_epi16(behind_point, normal, behind_point, _mm512_set1_epi16(0x4000));
  const __m512i factor = _mm512_permutex2var_epi16(scale.positive, _mm512_srli_epi16(x, 10), scale.negative);
  _mm512_storeu_si512(p, _mm512_mulhrs_epi16(fraction, factor));
}

// As pairs(), of blocks from store_wide.
DTS_INLINE void interleave(const int16_t* a, const int16_t* b, I32 (&out)[2]) {
  const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
  out[0].v = _mm512_unpacklo_epi16(x, y);
  out[1].v = _mm512_unpackhi_epi16(x, y);
}

// The largest magnitudes of blocks of 32 f16 in all of n rows, by their bits. The first block is `from` bytes behind a row's start.
template <size_t kBlocks>
DTS_INLINE void largest_halves(const uint8_t* const* rows, size_t n, size_t from, uint16_t (&out)[kBlocks]) {
  __m512i most[kBlocks];
  DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) most[b] = _mm512_setzero_si512();
  for (size_t k = 0; k < n; ++k) {
    DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) {
      const __m512i magnitude = _mm512_and_si512(_mm512_loadu_si512(rows[k] + from + 64 * b), _mm512_set1_epi16(0x7fff));
      most[b] = _mm512_max_epu16(most[b], magnitude);
    }
  }
  DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) {
    const __m512i pairs = _mm512_max_epu16(most[b], _mm512_srli_epi32(most[b], 16));
    out[b] = static_cast<uint16_t>(_mm512_reduce_max_epu32(_mm512_and_si512(pairs, _mm512_set1_epi32(0xffff))));
  }
}

DTS_INLINE uint32_t largest(const float* x) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i a = _mm512_and_si512(_mm512_loadu_si512(x), magnitude);
  const __m512i b = _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
}

DTS_INLINE void round_block(const float* x, float inverse, int8_t* q, int32_t (&sums)[2]) {
  for (int half = 0; half < 2; ++half) {
    const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16 * half), _mm512_set1_ps(inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * half), _mm512_cvtepi32_epi8(codes));
    sums[half] = _mm512_reduce_add_epi32(codes);
  }
}

}  // namespace dts::qgemm::DTS_TARGET
