// Ternary and binary blocks with one scale, and FP4 with the scales of the microscaling formats.
namespace dts::DTS_TARGET {

constexpr Integers kTrits{-1, 1};

/** -1, 0, 1 as 0, 1, 2. @returns the stored scale */
inline float ternary_block(const float* x, const float* w, uint8_t (&codes)[256], uint8_t* scale_at) {
  const float d = put_f16(scale_at, std::fabs(fit_scale(x, w, 256, kTrits, {0.8f, 6.0f, 14}).scale));
  const float inverse = d == 0 ? 0 : 1 / d;
  for (int i = 0; i < 256; ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(kTrits(x[i] * inverse)) + 1);
  return d;
}

/** The fraction byte / 256 whose first five ternary digits are these, each `stride` apart; `digits` of them, then zeros. */
inline uint8_t trits_byte(const uint8_t* codes, int stride, int digits) {
  int value = 0;
  for (int digit = 0; digit < 5; ++digit) value = value * 3 + (digit < digits ? codes[digit * stride] : 0);
  return static_cast<uint8_t>((value * 256 + 242) / 243);
}

inline void encode_tq1_0(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 54) {
    uint8_t codes[256];
    ternary_block(x, w, codes, out + 52);
    for (int i = 0; i < 32; ++i) out[i] = trits_byte(codes + i, 32, 5);
    for (int i = 0; i < 16; ++i) out[32 + i] = trits_byte(codes + 160 + i, 16, 5);
    for (int i = 0; i < 4; ++i) out[48 + i] = trits_byte(codes + 240 + i, 4, 4);
  }
}

inline void encode_tq2_0(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 66) {
    uint8_t codes[256];
    ternary_block(x, w, codes, out + 64);
    put_pairs_of_bits(codes, out);
  }
}

inline void encode_q1_0(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 128, w += 128, out += 18) {
    float sizes = 0, weights = 0;
    for (int i = 0; i < 128; ++i) {
      sizes += w[i] * std::fabs(x[i]);
      weights += w[i];
    }
    put_f16(out, weights > 0 ? sizes / weights : 0);
    std::memset(out + 2, 0, 16);
    for (int i = 0; i < 128; ++i) out[2 + (i >> 3)] = static_cast<uint8_t>(out[2 + (i >> 3)] | ((x[i] >= 0 ? 1 : 0) << (i & 7)));
  }
}

inline void encode_q2_0(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{-1, 2};
  for (const float* end = x + elements; x < end; x += 64, w += 64, out += 18) {
    const float d = put_f16(out, fit_scale(x, w, 64, kCodes, {0.9f, 4.0f, 16}).scale);
    const float inverse = d == 0 ? 0 : 1 / d;
    std::memset(out + 2, 0, 16);
    for (int i = 0; i < 64; ++i) {
      const int code = static_cast<int>(kCodes(x[i] * inverse)) + 1;
      out[2 + (i >> 2)] = static_cast<uint8_t>(out[2 + (i >> 2)] | (code << ((i & 3) * 2)));
    }
  }
}

/** The values of FP4 E2M1, doubled. */
struct Fp4Level {
  F32 operator()(F32 x) const {
    const F32 size = max(x, sub(F32::zero(), x));
    F32 level = F32::zero();
    for (int k = 0; k < 7; ++k) {
      const F32 middle = F32::splat(0.5f * static_cast<float>(kE2m1Doubled[k] + kE2m1Doubled[k + 1]));
      const F32 step = F32::splat(static_cast<float>(kE2m1Doubled[k + 1] - kE2m1Doubled[k]));
      level = add(level, where_less(middle, size, step, F32::zero()));
    }
    return where_less(x, F32::zero(), sub(F32::zero(), level), level);
  }
};

/** `count` codes, at most 32, as nibbles, the low ones first. */
inline void put_fp4(const float* x, int count, float scale, uint8_t* out) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  float levels[32];
  for (int i = 0; i < count; i += kLanes) Fp4Level{}(mul(F32::load(x + i), F32::splat(inverse))).store(levels + i);
  for (int i = 0; i < count; ++i) {
    uint8_t code = levels[i] < 0 ? 8 : 0;
    for (int k = 0; k < 7; ++k) code += std::fabs(levels[i]) > static_cast<float>(kE2m1Doubled[k]) ? 1 : 0;
    if (i < count / 2) out[i] = code;
    else out[i - count / 2] = static_cast<uint8_t>(out[i - count / 2] | (code << 4));
  }
}

/** The one of some scale codes that leaves the smallest error. */
template <class Scale>
inline int best_scale_code(const float* x, const float* w, int n, int from, int to, const Scale& scale_of) {
  int best = from;
  float least = std::numeric_limits<float>::infinity();
  for (int code = from; code <= to; ++code) {
    const float error = error_of(x, w, n, scale_of(static_cast<unsigned>(code)), 0, Fp4Level{});
    if (!(error < least)) continue;
    least = error;
    best = code;
  }
  return best;
}

inline void encode_mxfp4(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 32, w += 32, out += 17) {
    // The largest magnitude is between 4 and 8 times the scale, or up to a factor of two on either side.
    const int exponent = static_cast<int>(f32_to_bits(largest_magnitude(x, 32)) >> 23) - 2;
    const int from = std::max(0, exponent - 1), to = std::max(0, std::min(254, exponent + 1));
    out[0] = static_cast<uint8_t>(best_scale_code(x, w, 32, from, to, e8m0_halved));
    put_fp4(x, 32, e8m0_halved(out[0]), out + 1);
  }
}

inline void encode_nvfp4(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr int kLast = 0x7e;
  const auto scale_of = [](unsigned code) { return ue4m3_halved(static_cast<uint8_t>(code)); };
  for (const float* end = x + elements; x < end; x += 64, w += 64, out += 36) {
    for (int sub = 0; sub < 4; ++sub) {
      const float* from = x + sub * 16;
      const float wanted = std::fabs(fit_scale(from, w + sub * 16, 16, Fp4Level{}, {5.0f, 13.0f, 10}).scale);
      int below = 0;
      for (int step = 64; step > 0; step >>= 1) {
        if (below + step <= kLast && scale_of(static_cast<unsigned>(below + step)) <= wanted) below += step;
      }
      out[sub] = static_cast<uint8_t>(best_scale_code(from, w + sub * 16, 16, below, std::min(kLast, below + 1), scale_of));
      put_fp4(from, 16, scale_of(out[sub]), out + 4 + sub * 8);
    }
  }
}

}  // namespace dts::DTS_TARGET
