// Vectors for any CPU: eight floats in plain loops, which compilers turn into what the machine has.
namespace dts::DTS_TARGET {

struct F32 {
  static constexpr size_t lanes = 8;
  /** Other operands of a block of dot products whose sums fit the registers: see dot_block. */
  static constexpr size_t dot_cols = 1;
  /** Rows and vectors of a block of weighted sums, likewise: see sum_block. */
  static constexpr size_t sum_rows = 2, sum_vectors = 2;
  float v[lanes];

  template <class Make>
  static F32 make(const Make& value) {
    F32 out;
    for (size_t i = 0; i < lanes; ++i) out.v[i] = value(i);
    return out;
  }
  static F32 splat(float x) {
    return make([=](size_t) { return x; });
  }
  static F32 zero() { return splat(0); }
  static F32 load(const float* p) {
    return make([=](size_t i) { return p[i]; });
  }
  /** The first n elements, n < lanes; the others are zero. */
  static F32 load_n(const float* p, size_t n) {
    return make([=](size_t i) { return i < n ? p[i] : 0.0f; });
  }
  static F32 from_f16(const uint8_t* p) {
    return make([=](size_t i) { return f16_at(p + 2 * i); });
  }
  static F32 from_bf16(const uint8_t* p) {
    return make([=](size_t i) { return bf16_to_f32(u16_at(p + 2 * i)); });
  }
  /** E4M3 */
  static F32 from_f8(const uint8_t* p) {
    return make([=](size_t i) { return f8e4m3_to_f32(p[i]); });
  }
  void store(float* p) const {
    for (size_t i = 0; i < lanes; ++i) p[i] = v[i];
  }
  void store_n(float* p, size_t n) const {
    for (size_t i = 0; i < n; ++i) p[i] = v[i];
  }
  /** Of all lanes, in double precision: the lanes' own sums are small, so that this step decides the accuracy of a product. */
  float sum() const {
    const auto pair = [this](size_t i) { return static_cast<double>(v[i]) + v[i + 4]; };
    return static_cast<float>((pair(0) + pair(2)) + (pair(1) + pair(3)));
  }
  /** sum() of four vectors to out[0] to out[3], to the same bits. */
  static void sums(F32 a, F32 b, F32 c, F32 d, float* out) {
    out[0] = a.sum();
    out[1] = b.sum();
    out[2] = c.sum();
    out[3] = d.sum();
  }
  float largest() const {
    float out = v[0];
    for (size_t i = 1; i < lanes; ++i) out = out > v[i] ? out : v[i];
    return out;
  }
};

inline F32 add(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] + b.v[i]; });
}
inline F32 sub(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] - b.v[i]; });
}
inline F32 mul(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] * b.v[i]; });
}
inline F32 div(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] / b.v[i]; });
}
/** a * b + c; fused where the target can. */
inline F32 fma(F32 a, F32 b, F32 c) {
  return F32::make([&](size_t i) { return a.v[i] * b.v[i] + c.v[i]; });
}
/** b where either is NaN. */
inline F32 max(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F32 min(F32 a, F32 b) {
  return F32::make([&](size_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
/** a < b ? yes : no */
inline F32 where_less(F32 a, F32 b, F32 yes, F32 no) {
  return F32::make([&](size_t i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}
/** To the nearest integer, for |a| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction. */
inline F32 round(F32 a) {
  return F32::make([&](size_t i) { return (a.v[i] + 12582912.0f) - 12582912.0f; });
}
/** 2^n for integers -126 <= n <= 127. */
inline F32 pow2(F32 n) {
  return F32::make([&](size_t i) { return bits_to_f32(static_cast<uint32_t>(static_cast<int32_t>(n.v[i]) + 127) << 23); });
}

}  // namespace dts::DTS_TARGET
