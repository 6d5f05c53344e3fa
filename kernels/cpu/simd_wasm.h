// Vectors of WebAssembly SIMD, with relaxed SIMD where the compiler may use it. The meaning of each function is in simd_scalar.h.
namespace dts::DTS_TARGET {

struct F32 {
  static constexpr size_t lanes = 4;
  static constexpr size_t dot_cols = 2;
  static constexpr size_t sum_rows = 4, sum_vectors = 2;
  v128_t v;

  static F32 splat(float x) { return {wasm_f32x4_splat(x)}; }
  static F32 zero() { return splat(0); }
  static F32 load(const float* p) { return {wasm_v128_load(p)}; }
  static F32 load_n(const float* p, size_t n) {
    float all[lanes] = {};
    std::memcpy(all, p, n * sizeof(float));
    return load(all);
  }
  // The bits of an f32 with the exponent moved down by 112, then up again: exact for subnormals too. Exponent 31 stays all ones.
  static F32 from_f16(const uint8_t* p) {
    const v128_t h = wasm_u32x4_load16x4(p);
    const v128_t magnitude = wasm_v128_and(h, wasm_i32x4_const_splat(0x7fff));
    const v128_t finite = wasm_f32x4_mul(wasm_i32x4_shl(magnitude, 13), wasm_i32x4_const_splat(0x77800000));
    const v128_t large = wasm_i32x4_gt(magnitude, wasm_i32x4_const_splat(0x7bff));
    const v128_t top = wasm_v128_and(large, wasm_i32x4_const_splat(0x7f800000));
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_const_splat(0x8000)), 16);
    return {wasm_v128_or(wasm_v128_or(finite, top), sign)};
  }
  static F32 from_bf16(const uint8_t* p) { return {wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16)}; }
  // The fields moved to their place in an f32, whose exponent then is 120 too low; that suits subnormals too.
  static F32 from_f8(const uint8_t* p) {
    const v128_t codes = wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p)));
    const v128_t small = wasm_v128_and(wasm_i32x4_shl(codes, 20), wasm_i32x4_const_splat(static_cast<int>(0x87f00000)));
    const v128_t magnitude = wasm_v128_and(codes, wasm_i32x4_const_splat(0x7f));
    const v128_t nan = wasm_i32x4_eq(magnitude, wasm_i32x4_const_splat(0x7f));
    return {wasm_v128_or(wasm_f32x4_mul(small, wasm_f32x4_const_splat(0x1p120f)), nan)};
  }
  void store(float* p) const { wasm_v128_store(p, v); }
  void store_n(float* p, size_t n) const {
    float all[lanes];
    store(all);
    std::memcpy(p, all, n * sizeof(float));
  }
  float sum() const {
    const v128_t high = wasm_i32x4_shuffle(v, v, 2, 3, 0, 1);
    const v128_t pairs = wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(v), wasm_f64x2_promote_low_f32x4(high));
    return static_cast<float>(wasm_f64x2_extract_lane(pairs, 0) + wasm_f64x2_extract_lane(pairs, 1));
  }
  static void sums(F32 a, F32 b, F32 c, F32 d, float* out) {
    const auto pairs = [](v128_t x) {
      const v128_t high = wasm_i32x4_shuffle(x, x, 2, 3, 0, 1);
      return wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(x), wasm_f64x2_promote_low_f32x4(high));
    };
    const auto both = [](v128_t x, v128_t y) {
      const v128_t sum = wasm_f64x2_add(wasm_i64x2_shuffle(x, y, 0, 2), wasm_i64x2_shuffle(x, y, 1, 3));
      return wasm_f32x4_demote_f64x2_zero(sum);
    };
    wasm_v128_store(out, wasm_i64x2_shuffle(both(pairs(a.v), pairs(b.v)), both(pairs(c.v), pairs(d.v)), 0, 2));
  }
  float largest() const {
    const v128_t two = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(two, wasm_i32x4_shuffle(two, two, 1, 0, 3, 2)), 0);
  }
};

inline F32 add(F32 a, F32 b) { return {wasm_f32x4_add(a.v, b.v)}; }
inline F32 sub(F32 a, F32 b) { return {wasm_f32x4_sub(a.v, b.v)}; }
inline F32 mul(F32 a, F32 b) { return {wasm_f32x4_mul(a.v, b.v)}; }
inline F32 div(F32 a, F32 b) { return {wasm_f32x4_div(a.v, b.v)}; }
inline F32 fma(F32 a, F32 b, F32 c) {
#if defined(__wasm_relaxed_simd__)
  return {wasm_f32x4_relaxed_madd(a.v, b.v, c.v)};
#else
  return {wasm_f32x4_add(wasm_f32x4_mul(a.v, b.v), c.v)};
#endif
}
// pmax(b, a) is b < a ? a : b.
inline F32 max(F32 a, F32 b) { return {wasm_f32x4_pmax(b.v, a.v)}; }
inline F32 min(F32 a, F32 b) { return {wasm_f32x4_pmin(b.v, a.v)}; }
inline F32 where_less(F32 a, F32 b, F32 yes, F32 no) { return {wasm_v128_bitselect(yes.v, no.v, wasm_f32x4_lt(a.v, b.v))}; }
inline F32 round(F32 a) { return {wasm_f32x4_nearest(a.v)}; }
inline F32 pow2(F32 n) {
  return {wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n.v), wasm_i32x4_const_splat(127)), 23)};
}

}  // namespace dts::DTS_TARGET
