// Vectors of 128 bits: AArch64 NEON with the dot product instructions, with DTS_I8MM also the mixed-sign one. What the names
// mean: simd_scalar.h.
#include <arm_neon.h>

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kLanes = 4;
inline constexpr size_t kMaxRows = 8;
inline constexpr size_t kPanels = 1;
inline constexpr size_t kChains = 4;
inline constexpr int32_t kBias = 0x4b400000;
#ifdef DTS_I8MM
inline constexpr bool kSigned8 = false;
#else
inline constexpr bool kSigned8 = true;
#endif

struct I32 {
  int32x4_t v;
  DTS_INLINE static I32 splat(int32_t x) { return {vdupq_n_s32(x)}; }
  DTS_INLINE static I32 bytes(const uint8_t* p) {
    uint32_t four;
    std::memcpy(&four, p, 4);
    return {vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four))))};
  }
  DTS_INLINE static I32 halves(const uint8_t* p) { return {vreinterpretq_s32_u32(vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))))}; }
  DTS_INLINE static I32 load(const uint8_t* p) { return {vreinterpretq_s32_u8(vld1q_u8(p))}; }
  DTS_INLINE void store(int32_t* p) const { vst1q_s32(p, v); }
  DTS_INLINE I32 bits(int shift, int32_t mask) const {
    const uint32x4_t moved = vshlq_u32(vreinterpretq_u32_s32(v), vdupq_n_s32(-shift));
    return {vandq_s32(vreinterpretq_s32_u32(moved), vdupq_n_s32(mask))};
  }
  template <int kShift>
  DTS_INLINE I32 shifted_left() const {
    return {vshlq_n_s32(v, kShift)};
  }
};
DTS_INLINE I32 operator|(I32 a, I32 b) { return {vorrq_s32(a.v, b.v)}; }
DTS_INLINE I32 operator+(I32 a, I32 b) { return {vaddq_s32(a.v, b.v)}; }

struct F32 {
  float32x4_t v;
  DTS_INLINE static F32 splat(float x) { return {vdupq_n_f32(x)}; }
  DTS_INLINE static F32 zero() { return splat(0); }
  DTS_INLINE static F32 load(const float* p) { return {vld1q_f32(p)}; }
  DTS_INLINE void store(float* p) const { vst1q_f32(p, v); }
  DTS_INLINE static F32 of(I32 a) { return {vcvtq_f32_s32(a.v)}; }
  DTS_INLINE static F32 halves(const uint8_t* p) { return {vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)))}; }
  DTS_INLINE I32 rounded() const { return {vcvtnq_s32_f32(v)}; }
  DTS_INLINE static F32 bits(I32 a) { return {vreinterpretq_f32_s32(a.v)}; }
};
DTS_INLINE F32 operator*(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
DTS_INLINE F32 operator/(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
DTS_INLINE F32 operator+(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
DTS_INLINE F32 clamp(F32 a, float low, float high) { return {vminq_f32(vmaxq_f32(a.v, vdupq_n_f32(low)), vdupq_n_f32(high))}; }
DTS_INLINE F32 fma(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }

// An int32 n beside kBias, the bits of 3 · 2^22, is the float 3 · 2^22 + n, so one fused instruction converts and scales:
// exactly, where 3 · 2^22 · scale is a float, that is for scales of at most 22 bits.
DTS_INLINE F32 shift_of(F32 scale) { return scale * F32::splat(-12582912.f); }
DTS_INLINE F32 scaled(I32 dot, F32 scale, F32 shift) { return fma(F32::bits(dot), scale, shift); }

struct U8 {
  uint8x16_t v;
  DTS_INLINE static U8 load(const uint8_t* p) { return {vld1q_u8(p)}; }
  DTS_INLINE U8 low_nibbles() const { return {vandq_u8(v, vdupq_n_u8(0x0f))}; }
  DTS_INLINE U8 high_nibbles() const { return {vshrq_n_u8(v, 4)}; }
  template <int kBit, uint8_t kMask>
  DTS_INLINE U8 to_bit4() const {
    return {vandq_u8(vshlq_u8(v, vdupq_n_s8(4 - kBit)), vdupq_n_u8(kMask))};
  }
  DTS_INLINE U8 looked_up(const uint8_t* table) const { return {vqtbl1q_u8(vld1q_u8(table), v)}; }
};
DTS_INLINE U8 operator|(U8 a, U8 b) { return {vorrq_u8(a.v, b.v)}; }

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  DTS_UNROLL for (size_t n = 0; n < N; ++n) {
    // Four columns a 32-bit lane; the instruction takes the lane by its number.
    static_assert(kFirst % 4 == 0 && kCount % 4 == 0);
    DTS_UNROLL for (size_t j = kFirst; j < kFirst + kCount; j += 4) {
      const int8x16_t codes = vld1q_s8(x[n] + 4 * j);
#ifdef DTS_I8MM
      acc[n].v = vusdotq_laneq_s32(acc[n].v, w[j].v, codes, 0);
      acc[n].v = vusdotq_laneq_s32(acc[n].v, w[j + 1].v, codes, 1);
      acc[n].v = vusdotq_laneq_s32(acc[n].v, w[j + 2].v, codes, 2);
      acc[n].v = vusdotq_laneq_s32(acc[n].v, w[j + 3].v, codes, 3);
#else
      const uint8x16_t sign = vdupq_n_u8(kMaxCode == 255 ? 0x80 : 0);
      acc[n].v = vdotq_laneq_s32(acc[n].v, vreinterpretq_s8_u8(veorq_u8(w[j].v, sign)), codes, 0);
      acc[n].v = vdotq_laneq_s32(acc[n].v, vreinterpretq_s8_u8(veorq_u8(w[j + 1].v, sign)), codes, 1);
      acc[n].v = vdotq_laneq_s32(acc[n].v, vreinterpretq_s8_u8(veorq_u8(w[j + 2].v, sign)), codes, 2);
      acc[n].v = vdotq_laneq_s32(acc[n].v, vreinterpretq_s8_u8(veorq_u8(w[j + 3].v, sign)), codes, 3);
#endif
    }
  }
}

DTS_INLINE void pairs(const int8_t* a, const int8_t* b, I32 (&out)[8]) {
  for (size_t half = 0; half < 2; ++half) {
    const int8x16_t x = vld1q_s8(a + 16 * half), y = vld1q_s8(b + 16 * half);
    const int8x16_t low = vzip1q_s8(x, y), high = vzip2q_s8(x, y);
    out[4 * half].v = vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(low)));
    out[4 * half + 1].v = vreinterpretq_s32_s16(vmovl_high_s8(low));
    out[4 * half + 2].v = vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(high)));
    out[4 * half + 3].v = vreinterpretq_s32_s16(vmovl_high_s8(high));
  }
}

DTS_INLINE void add_pairs(I32& acc, I32 codes, const int32_t* factors) {
  const int16x8_t values = vreinterpretq_s16_s32(codes.v), by = vreinterpretq_s16_s32(vdupq_n_s32(*factors));
  const int32x4_t low = vmull_s16(vget_low_s16(values), vget_low_s16(by));
  acc.v = vaddq_s32(acc.v, vpaddq_s32(low, vmull_high_s16(values, by)));
}

DTS_INLINE uint32_t largest(const float* x) {
  const uint32x4_t mask = vdupq_n_u32(0x7fffffff);
  uint32x4_t most = vdupq_n_u32(0);
  for (int i = 0; i < 32; i += 4) most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + i)), mask));
  return vmaxvq_u32(most);
}

DTS_INLINE void sum_codes(const int8_t* const (&q)[4], int32_t* sums) {
  for (int n = 0; n < 4; ++n) sums[n] = vaddlvq_s8(vld1q_s8(q[n])) + vaddlvq_s8(vld1q_s8(q[n] + 16));
}

DTS_INLINE void round_block(const float* x, float inverse, int8_t* q, int32_t (&sums)[2]) {
  for (int half = 0; half < 2; ++half, x += 16, q += 16) {
    int32x4_t c[4];
    for (int i = 0; i < 4; ++i) c[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), inverse));
    sums[half] = vaddvq_s32(vaddq_s32(vaddq_s32(c[0], c[1]), vaddq_s32(c[2], c[3])));
    const int16x8_t low = vcombine_s16(vmovn_s32(c[0]), vmovn_s32(c[1])), high = vcombine_s16(vmovn_s32(c[2]), vmovn_s32(c[3]));
    vst1q_s8(q, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
  }
}

}  // namespace dts::qgemm::DTS_TARGET
