// Vectors of NEON, which every AArch64 CPU has. The meaning of each function is in simd_scalar.h.
namespace dts::DTS_TARGET {

struct F32 {
  static constexpr size_t lanes = 4;
  static constexpr size_t dot_cols = 5;
  static constexpr size_t sum_rows = 4, sum_vectors = 4;
  float32x4_t v;

  static F32 splat(float x) { return {vdupq_n_f32(x)}; }
  static F32 zero() { return splat(0); }
  static F32 load(const float* p) { return {vld1q_f32(p)}; }
  static F32 load_n(const float* p, size_t n) {
    float32x4_t out = vdupq_n_f32(0);
    if (n > 0) out = vld1q_lane_f32(p, out, 0);
    if (n > 1) out = vld1q_lane_f32(p + 1, out, 1);
    if (n > 2) out = vld1q_lane_f32(p + 2, out, 2);
    return {out};
  }
  static F32 from_f16(const uint8_t* p) { return {vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)))}; }
  static F32 from_bf16(const uint8_t* p) {
    return {vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16))};
  }
  // As f16 that are 2^8 too small; 2^-8 times 480, the code of NaN, gets the exponent of NaN.
  static F32 from_f8(const uint8_t* p) {
    uint32_t four;
    std::memcpy(&four, p, sizeof four);
    const int16x4_t codes = vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four))));
    const uint16x4_t small = vand_u16(vreinterpret_u16_s16(vshl_n_s16(codes, 7)), vdup_n_u16(0xbfff));
    const uint16x4_t nan = vand_u16(vadd_u16(small, vdup_n_u16(0x80)), vdup_n_u16(0x4000));
    return {vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_u16(vorr_u16(small, nan))), 256)};
  }
  void store(float* p) const { vst1q_f32(p, v); }
  void store_n(float* p, size_t n) const {
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
  }
  float sum() const {
    return static_cast<float>(vaddvq_f64(vaddq_f64(vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v))));
  }
  static void sums(F32 a, F32 b, F32 c, F32 d, float* out) {
    const auto pairs = [](F32 x) { return vaddq_f64(vcvt_f64_f32(vget_low_f32(x.v)), vcvt_high_f64_f32(x.v)); };
    const float64x2_t ab = vpaddq_f64(pairs(a), pairs(b)), cd = vpaddq_f64(pairs(c), pairs(d));
    vst1q_f32(out, vcombine_f32(vcvt_f32_f64(ab), vcvt_f32_f64(cd)));
  }
  float largest() const { return vmaxvq_f32(v); }
};

inline F32 add(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
inline F32 sub(F32 a, F32 b) { return {vsubq_f32(a.v, b.v)}; }
inline F32 mul(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
inline F32 div(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
inline F32 where_less(F32 a, F32 b, F32 yes, F32 no) { return {vbslq_f32(vcltq_f32(a.v, b.v), yes.v, no.v)}; }
// Not vmaxq and vminq, which give NaN where either is NaN.
inline F32 max(F32 a, F32 b) { return where_less(b, a, a, b); }
inline F32 min(F32 a, F32 b) { return where_less(a, b, a, b); }
inline F32 round(F32 a) { return {vrndnq_f32(a.v)}; }
inline F32 pow2(F32 n) {
  return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127)), 23))};
}

}  // namespace dts::DTS_TARGET
