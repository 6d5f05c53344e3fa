// Vectors of the scalar target: plain loops over 4 lanes, the meaning of what the other simd_<target>.h do.
//
// Every simd header defines, in the target's namespace:
//   kLanes         rows of a panel: 32-bit items of a vector
//   kMaxRows       most activation rows of a register tile, a power of two
//   kPanels        panels of a register tile where there are more activation rows than that
//   kChains        dot products computed side by side, to hide the latency of the dot instruction
//   kSigned8       whether dots<255> takes codes as signed bytes + 128 (true), or unsigned (false)
//   kBias          what int32 dot products start from, beside the correction of an offset
//   shift_of       what scaled() wants beside a scale, computed once for many uses
//   scaled         (dot - kBias) · scale, rounded once
//   F32, I32, U8   vectors of kLanes floats, kLanes int32, 4 kLanes bytes
//   dots           acc[n] lane r += Σ_i w[j] byte 4r+i · x[n][4j+i], for j in [kFirst, kFirst + kCount)
//   pairs          item i: the bytes a[i] and b[i] as two int16, a's the lower, for 32 items
//   add_pairs      acc lane i += both int16 of item i times those at `factors`
//   largest        the largest bit pattern of |x[0..31]| (above 0x7f800000 where there is a NaN)
//   sum_codes      the sums of q[n][0..31], of four blocks
//   round_block    q = x · inverse rounded to nearest even, and the sums of both halves of q
namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kLanes = 4;
inline constexpr size_t kMaxRows = 4;
inline constexpr size_t kPanels = 1;
inline constexpr size_t kChains = 2;
inline constexpr bool kSigned8 = false;
inline constexpr int32_t kBias = 0;

struct I32 {
  int32_t v[kLanes];
  DTS_INLINE static I32 splat(int32_t x) { return {{x, x, x, x}}; }
  // kLanes signed bytes.
  DTS_INLINE static I32 bytes(const uint8_t* p) {
    I32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = static_cast<int8_t>(p[i]);
    return r;
  }
  // kLanes unsigned 16-bit numbers.
  DTS_INLINE static I32 halves(const uint8_t* p) {
    I32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = p[2 * i] | p[2 * i + 1] << 8;
    return r;
  }
  DTS_INLINE static I32 load(const uint8_t* p) {
    I32 r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  DTS_INLINE void store(int32_t* p) const { std::memcpy(p, v, sizeof v); }
  // (this >> shift) & mask, shifting zeros in.
  DTS_INLINE I32 bits(int shift, int32_t mask) const {
    I32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = static_cast<int32_t>(static_cast<uint32_t>(v[i]) >> shift) & mask;
    return r;
  }
  template <int kShift>
  DTS_INLINE I32 shifted_left() const {
    I32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = static_cast<int32_t>(static_cast<uint32_t>(v[i]) << kShift);
    return r;
  }
};
DTS_INLINE I32 operator|(I32 a, I32 b) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] |= b.v[i];
  return a;
}
DTS_INLINE I32 operator+(I32 a, I32 b) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] += b.v[i];
  return a;
}

struct F32 {
  float v[kLanes];
  DTS_INLINE static F32 splat(float x) { return {{x, x, x, x}}; }
  DTS_INLINE static F32 zero() { return splat(0); }
  DTS_INLINE static F32 load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
  DTS_INLINE void store(float* p) const { std::memcpy(p, v, sizeof v); }
  DTS_INLINE static F32 of(I32 a) {
    F32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = static_cast<float>(a.v[i]);
    return r;
  }
  // kLanes f16 numbers.
  DTS_INLINE static F32 halves(const uint8_t* p) {
    F32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = half(p + 2 * i);
    return r;
  }
  DTS_INLINE I32 rounded() const {  // to nearest even; |v| < 2^22
    I32 r;
    for (size_t i = 0; i < kLanes; ++i) r.v[i] = std::bit_cast<int32_t>(v[i] + 12582912.f) - 0x4b400000;
    return r;
  }
  DTS_INLINE static F32 bits(I32 a) { return std::bit_cast<F32>(a); }
};
DTS_INLINE F32 operator*(F32 a, F32 b) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] *= b.v[i];
  return a;
}
DTS_INLINE F32 operator/(F32 a, F32 b) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] /= b.v[i];
  return a;
}
DTS_INLINE F32 operator+(F32 a, F32 b) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] += b.v[i];
  return a;
}
DTS_INLINE F32 clamp(F32 a, float low, float high) {
  for (size_t i = 0; i < kLanes; ++i) a.v[i] = a.v[i] < low ? low : a.v[i] > high ? high : a.v[i];
  return a;
}
DTS_INLINE F32 fma(F32 a, F32 b, F32 c) {
  for (size_t i = 0; i < kLanes; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}

DTS_INLINE F32 shift_of(F32) { return F32::zero(); }
DTS_INLINE F32 scaled(I32 dot, F32 scale, F32) { return F32::of(dot) * scale; }

struct U8 {
  uint8_t v[4 * kLanes];
  DTS_INLINE static U8 load(const uint8_t* p) {
    U8 r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  DTS_INLINE U8 low_nibbles() const { return masked(0, 0x0f); }
  DTS_INLINE U8 high_nibbles() const { return masked(4, 0x0f); }
  // Bits kBit.. of each byte under the mask 0x10 or 0x30, moved to bit 4.
  template <int kBit, uint8_t kMask>
  DTS_INLINE U8 to_bit4() const {
    U8 r;
    for (size_t i = 0; i < sizeof v; ++i) r.v[i] = (kBit < 4 ? v[i] << (4 - kBit & 7) : v[i] >> (kBit - 4 & 7)) & kMask;
    return r;
  }
  // table[code] for codes 0..15.
  DTS_INLINE U8 looked_up(const uint8_t* table) const {
    U8 r;
    for (size_t i = 0; i < sizeof v; ++i) r.v[i] = table[v[i]];
    return r;
  }

 private:
  DTS_INLINE U8 masked(int shift, uint8_t mask) const {
    U8 r;
    for (size_t i = 0; i < sizeof v; ++i) r.v[i] = v[i] >> shift & mask;
    return r;
  }
};
DTS_INLINE U8 operator|(U8 a, U8 b) {
  for (size_t i = 0; i < sizeof a.v; ++i) a.v[i] |= b.v[i];
  return a;
}

template <int kMaxCode, size_t kFirst, size_t kCount, size_t N>
DTS_INLINE void dots(I32 (&acc)[N], const U8 (&w)[8], const int8_t* const (&x)[N]) {
  for (size_t n = 0; n < N; ++n)
    for (size_t j = kFirst; j < kFirst + kCount; ++j)
      for (size_t i = 0; i < 4 * kLanes; ++i) acc[n].v[i / 4] += w[j].v[i] * x[n][4 * j + i % 4];
}

DTS_INLINE void pairs(const int8_t* a, const int8_t* b, I32 (&out)[32 / kLanes]) {
  for (size_t i = 0; i < 32; ++i) out[i / kLanes].v[i % kLanes] = (a[i] & 0xffff) | b[i] * 65536;
}

DTS_INLINE void add_pairs(I32& acc, I32 codes, const int32_t* factors) {
  for (size_t i = 0; i < kLanes; ++i) {
    acc.v[i] += static_cast<int16_t>(codes.v[i]) * static_cast<int16_t>(*factors) + (codes.v[i] >> 16) * (*factors >> 16);
  }
}

DTS_INLINE uint32_t largest(const float* x) {
  uint32_t most = 0;
  for (int i = 0; i < 32; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
    if (bits > most) most = bits;
  }
  return most;
}

DTS_INLINE void sum_codes(const int8_t* const (&q)[4], int32_t* sums) {
  for (int n = 0; n < 4; ++n) {
    sums[n] = 0;
    for (int i = 0; i < 32; ++i) sums[n] += q[n][i];
  }
}

DTS_INLINE void round_block(const float* x, float inverse, int8_t* q, int32_t (&sums)[2]) {
  sums[0] = sums[1] = 0;
  for (int i = 0; i < 32; ++i) {
    const int32_t code = std::bit_cast<int32_t>(x[i] * inverse + 12582912.f) - 0x4b400000;
    q[i] = static_cast<int8_t>(code);
    sums[i >> 4] += code;
  }
}

}  // namespace dts::qgemm::DTS_TARGET
