// Vectors of 128 bits: WebAssembly SIMD, with DTS_RELAXED also relaxed SIMD. What the names mean: simd_scalar.h.
#include <wasm_simd128.h>

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kLanes = 4;
inline constexpr size_t kMaxRows = 4;
inline constexpr size_t kPanels = 1;
inline constexpr size_t kChains = 4;
inline constexpr int32_t kBias = 0;
#ifdef DTS_RELAXED
inline constexpr bool kSigned8 = false;
#else
inline constexpr bool kSigned8 = true;
#endif

struct I32 {
  v128_t v;
  DTS_INLINE static I32 splat(int32_t x) { return {wasm_i32x4_splat(x)}; }
  DTS_INLINE static I32 bytes(const uint8_t* p) {
    return {wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p)))};
  }
  DTS_INLINE static I32 halves(const uint8_t* p) { return {wasm_u32x4_load16x4(p)}; }
  DTS_INLINE static I32 load(const uint8_t* p) { return {wasm_v128_load(p)}; }
  DTS_INLINE void store(int32_t* p) const { wasm_v128_store(p, v); }
  DTS_INLINE I32 bits(int shift, int32_t mask) const {
    return {wasm_v128_and(wasm_u32x4_shr(v, static_cast<uint32_t>(shift)), wasm_i32x4_splat(mask))};
  }
  template <int kShift>
  DTS_INLINE I32 shifted_left() const {
    return {wasm_i32x4_shl(v, kShift)};
  }
};
DTS_INLINE I32 operator|(I32 a, I32 b) { return {wasm_v128_or(a.v, b.v)}; }
DTS_INLINE I32 operator+(I32 a, I32 b) { return {wasm_i32x4_add(a.v, b.v)}; }

struct F32 {
  v128_t v;
  DTS_INLINE static F32 splat(float x) { return {wasm_f32x4_splat(x)}; }
  DTS_INLINE static F32 zero() { return splat(0); }
  DTS_INLINE static F32 load(const float* p) { return {wasm_v128_load(p)}; }
  DTS_INLINE void store(float* p) const { wasm_v128_store(p, v); }
  DTS_INLINE static F32 of(I32 a) { return {wasm_f32x4_convert_i32x4(a.v)}; }
  // The bits of an f32 with the exponent moved down by 112, then up again: exact for subnormals too. Exponent 31 stays all ones.
  DTS_INLINE static F32 halves(const uint8_t* p) {
    const v128_t h = wasm_u32x4_load16x4(p);
    const v128_t magnitude = wasm_v128_and(h, wasm_i32x4_const_splat(0x7fff));
    const v128_t finite = wasm_f32x4_mul(wasm_i32x4_shl(magnitude, 13), wasm_i32x4_const_splat(0x77800000));
    const v128_t top = wasm_v128_and(wasm_i32x4_gt(magnitude, wasm_i32x4_const_splat(0x7bff)), wasm_i32x4_const_splat(0x7f800000));
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_const_splat(0x8000)), 16);
    return {wasm_v128_or(wasm_v128_or(finite, top), sign)};
  }
  DTS_INLINE I32 rounded() const { return {wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(v))}; }
  DTS_INLINE static F32 bits(I32 a) { return {a.v}; }
};
DTS_INLINE F32 operator*(F32 a, F32 b) { return {wasm_f32x4_mul(a.v, b.v)}; }
DTS_INLINE F32 operator/(F32 a, F32 b) { return {wasm_f32x4_div(a.v, b.v)}; }
DTS_INLINE F32 operator+(F32 a, F32 b) { return {wasm_f32x4_add(a.v, b.v)}; }
DTS_INLINE F32 clamp(F32 a, float low, float high) {
  return {wasm_f32x4_pmin(wasm_f32x4_splat(high), wasm_f32x4_pmax(wasm_f32x4_splat(low), a.v))};
}
// Without relaxed SIMD two roundings; with it one or two, as the machine has it, the same in every call.
DTS_INLINE F32 fma(F32 a, F32 b, F32 c) {
#ifdef DTS_RELAXED
  return {wasm_f32x4_relaxed_madd(a.v, b.v, c.v)};
#else
  return {wasm_f32x4_add(wasm_f32x4_mul(a.v, b.v), c.v)};
#endif
}

DTS_INLINE F32 shift_of(F32) { return F32::zero(); }
DTS_INLINE F32 scaled(I32 dot, F32 scale, F32) { return F32::of(dot) * scale; }

struct U8 {
  v128_t v;
  DTS_INLINE static U8 load(const uint8_t* p) { return {wasm_v128_load(p)}; }
  DTS_INLINE U8 low_nibbles() const { return {wasm_v128_and(v, wasm_i8x16_const_splat(0x0f))}; }
  DTS_INLINE U8 high_nibbles() const { return {wasm_u8x16_shr(v, 4)}; }
  template <int kBit, uint8_t kMask>
  DTS_INLINE U8 to_bit4() const {
    const v128_t moved = kBit < 4 ? wasm_i32x4_shl(v, 4 - kBit & 7) : wasm_u32x4_shr(v, kBit - 4 & 7);
    return {wasm_v128_and(moved, wasm_i8x16_const_splat(kMask))};
  }
  DTS_INLINE U8 looked_up(const uint8_t* table) const { return {wasm_i8x16_swizzle(wasm_v128_load(table), v)}; }
};
DTS_INLINE U8 operator|(U8 a, U8 b) { return {wasm_v128_or(a.v, b.v)}; }

DTS_INLINE v128_t four_codes(const int8_t* x, size_t j) { return wasm_v128_load32_splat(x + 4 * j); }

#ifdef DTS_RELAXED

// Products of bytes are added in pairs to 16 bits, and in these as long as they fit; the instruction wants one side below
// 128, so codes of eight bits go through it as two of four. On x86 that is a multiplication and an addition; the dot
// products with sums of 32 bits, which relaxed SIMD has too, are three instructions there unless a CPU has AVX-VNNI.
DTS_INLINE v128_t pairs(v128_t four, v128_t codes) { return wasm_i16x8_relaxed_dot_i8x16_i7x16(four, codes); }

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  constexpr size_t kFit = kMaxCode <= 15 || kMaxCode == 255 ? 8 : kMaxCode <= 31 ? 4 : 2;
  const v128_t ones = wasm_i16x8_const_splat(1);
  DTS_UNROLL for (size_t first = kFirst; first < kFirst + kCount; first += kFit) {
    v128_t low[N], high[N];
    DTS_UNROLL for (size_t j = first; j < first + kFit && j < kFirst + kCount; ++j) {
      const v128_t upper = wasm_u8x16_shr(w[j].v, 4);
      const v128_t lower = kMaxCode == 255 ? wasm_v128_and(w[j].v, wasm_i8x16_const_splat(15)) : w[j].v;
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        const v128_t four = four_codes(x[n], j);
        low[n] = j == first ? pairs(four, lower) : wasm_i16x8_add(low[n], pairs(four, lower));
        if constexpr (kMaxCode == 255) high[n] = j == first ? pairs(four, upper) : wasm_i16x8_add(high[n], pairs(four, upper));
      }
    }
    DTS_UNROLL for (size_t n = 0; n < N; ++n) {
      acc[n].v = wasm_i32x4_add(acc[n].v, wasm_i32x4_dot_i16x8(low[n], ones));
      if constexpr (kMaxCode == 255) acc[n].v = wasm_i32x4_add(acc[n].v, wasm_i32x4_dot_i16x8(high[n], wasm_i16x8_const_splat(16)));
    }
  }
}

#else

// Sums of neighbours: lanes 0, 1 of `low` and of `high` belong to rows 0 and 2, lanes 2, 3 to rows 1 and 3.
DTS_INLINE v128_t add_neighbours(v128_t low, v128_t high) {
  return wasm_i32x4_add(wasm_i32x4_shuffle(low, high, 0, 2, 4, 6), wasm_i32x4_shuffle(low, high, 1, 3, 5, 7));
}

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  if constexpr (kMaxCode == 15) {
    // Eight products of at most 15 · 127 fit an int16.
    v128_t low[N], high[N];
    DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        const v128_t four = four_codes(x[n], j);
        const v128_t l = wasm_i16x8_extmul_low_i8x16(w[j].v, four), h = wasm_i16x8_extmul_high_i8x16(w[j].v, four);
        low[n] = j == kFirst ? l : wasm_i16x8_add(low[n], l);
        high[n] = j == kFirst ? h : wasm_i16x8_add(high[n], h);
      }
    }
    DTS_UNROLL for (size_t n = 0; n < N; ++n) {
      const v128_t sums = add_neighbours(wasm_i32x4_extadd_pairwise_i16x8(low[n]), wasm_i32x4_extadd_pairwise_i16x8(high[n]));
      acc[n].v = wasm_i32x4_add(acc[n].v, sums);
    }
  } else {
    v128_t low[N], high[N];
    DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; ++j) {
      const v128_t code = kMaxCode == 255 ? wasm_v128_xor(w[j].v, wasm_i8x16_const_splat(-128)) : w[j].v;
      const v128_t first = wasm_i16x8_extend_low_i8x16(code), second = wasm_i16x8_extend_high_i8x16(code);
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        const v128_t four = wasm_i16x8_extend_low_i8x16(four_codes(x[n], j));
        const v128_t l = wasm_i32x4_dot_i16x8(first, four), h = wasm_i32x4_dot_i16x8(second, four);
        low[n] = j == kFirst ? l : wasm_i32x4_add(low[n], l);
        high[n] = j == kFirst ? h : wasm_i32x4_add(high[n], h);
      }
    }
    DTS_UNROLL for (size_t n = 0; n < N; ++n) acc[n].v = wasm_i32x4_add(acc[n].v, add_neighbours(low[n], high[n]));
  }
}

#endif

DTS_INLINE void pairs(const int8_t* a, const int8_t* b, I32 (&out)[8]) {
  for (size_t half = 0; half < 2; ++half) {
    const v128_t x = wasm_v128_load(a + 16 * half), y = wasm_v128_load(b + 16 * half);
    const v128_t low = wasm_i8x16_shuffle(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const v128_t high = wasm_i8x16_shuffle(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    out[4 * half].v = wasm_i16x8_extend_low_i8x16(low);
    out[4 * half + 1].v = wasm_i16x8_extend_high_i8x16(low);
    out[4 * half + 2].v = wasm_i16x8_extend_low_i8x16(high);
    out[4 * half + 3].v = wasm_i16x8_extend_high_i8x16(high);
  }
}

DTS_INLINE void add_pairs(I32& acc, I32 codes, const int32_t* factors) {
  acc.v = wasm_i32x4_add(acc.v, wasm_i32x4_dot_i16x8(codes.v, wasm_i32x4_splat(*factors)));
}

DTS_INLINE uint32_t largest(const float* x) {
  const v128_t mask = wasm_i32x4_const_splat(0x7fffffff);
  v128_t most = wasm_i32x4_const_splat(0);
  for (int i = 0; i < 32; i += 4) most = wasm_u32x4_max(most, wasm_v128_and(wasm_v128_load(x + i), mask));
  most = wasm_u32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_u32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_u32x4_extract_lane(most, 0);
}

DTS_INLINE void sum_codes(const int8_t* const (&q)[4], int32_t* sums) {
  for (int n = 0; n < 4; ++n) {
    const v128_t low = wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(q[n]));
    const v128_t s = wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_add(low, wasm_i16x8_extadd_pairwise_i8x16(wasm_v128_load(q[n] + 16))));
    const v128_t t = wasm_i32x4_add(s, wasm_i32x4_shuffle(s, s, 2, 3, 0, 1));
    sums[n] = wasm_i32x4_extract_lane(t, 0) + wasm_i32x4_extract_lane(t, 1);
  }
}

DTS_INLINE void round_block(const float* x, float inverse, int8_t* q, int32_t (&sums)[2]) {
  const F32 scale = F32::splat(inverse);
  for (int half = 0; half < 2; ++half, x += 16, q += 16) {
    v128_t c[4];
    for (int i = 0; i < 4; ++i) c[i] = (F32::load(x + 4 * i) * scale).rounded().v;
    const v128_t s = wasm_i32x4_add(wasm_i32x4_add(c[0], c[1]), wasm_i32x4_add(c[2], c[3]));
    const v128_t t = wasm_i32x4_add(s, wasm_i32x4_shuffle(s, s, 2, 3, 0, 1));
    sums[half] = wasm_i32x4_extract_lane(t, 0) + wasm_i32x4_extract_lane(t, 1);
    wasm_v128_store(q, wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(c[0], c[1]), wasm_i16x8_narrow_i32x4(c[2], c[3])));
  }
}

}  // namespace dts::qgemm::DTS_TARGET
