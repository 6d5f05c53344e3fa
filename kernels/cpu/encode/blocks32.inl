// The types with blocks of 32 that each have a scale of their own.
namespace dts::DTS_TARGET {

inline void put_nibbles(const uint8_t (&codes)[32], uint8_t* out) {
  for (int i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>((codes[i] & 15) | ((codes[16 + i] & 15) << 4));
}

inline void put_fifth_bits(const uint8_t (&codes)[32], uint8_t* out) {
  uint32_t high = 0;
  for (int i = 0; i < 32; ++i) high |= static_cast<uint32_t>(codes[i] >> 4) << i;
  put_u32(out, high);
}

/** Codes 0..2^Bits - 1 that stand for -2^(Bits - 1) and up. */
template <int Bits>
inline void encode_symmetric(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr float kHalf = 1 << (Bits - 1);
  constexpr Integers kCodes{-kHalf, kHalf - 1};
  for (const float* end = x + elements; x < end; x += 32, w += 32) {
    const ScaleFit fit = fit_scale(x, w, 32, kCodes, {0.7f * kHalf, 1.08f * kHalf, 20});
    const float d = put_f16(out, fit.scale);
    const float inverse = d == 0 ? 0 : 1 / d;
    uint8_t codes[32];
    for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(kCodes(x[i] * inverse) + kHalf));
    out += 2;
    if constexpr (Bits == 5) {
      put_fifth_bits(codes, out);
      out += 4;
    }
    put_nibbles(codes, out);
    out += 16;
  }
}

/** Codes above a minimum. */
template <int Bits>
inline void encode_line(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr float kHigh = (1 << Bits) - 1;
  constexpr Integers kCodes{0, kHigh};
  for (const float* end = x + elements; x < end; x += 32, w += 32) {
    const LineFit fit = fit_line(x, w, 32, kHigh, Offset::any, 16);
    const float d = put_f16(out, fit.scale), m = put_f16(out + 2, fit.offset);
    const float inverse = d == 0 ? 0 : 1 / d;
    uint8_t codes[32];
    for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(kCodes((x[i] - m) * inverse)));
    out += 4;
    if constexpr (Bits == 5) {
      put_fifth_bits(codes, out);
      out += 4;
    }
    put_nibbles(codes, out);
    out += 16;
  }
}

inline void encode_q4_0(const float* x, const float* w, size_t n, uint8_t* out) { encode_symmetric<4>(x, w, n, out); }
inline void encode_q5_0(const float* x, const float* w, size_t n, uint8_t* out) { encode_symmetric<5>(x, w, n, out); }
inline void encode_q4_1(const float* x, const float* w, size_t n, uint8_t* out) { encode_line<4>(x, w, n, out); }
inline void encode_q5_1(const float* x, const float* w, size_t n, uint8_t* out) { encode_line<5>(x, w, n, out); }

/** By the largest magnitude alone, the bytes of src/tensor/decode/encode.ts: at eight bits a search gains nothing. */
inline void encode_q8_0(const float* x, const float*, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 32, out += 34) {
    const float d = largest_magnitude(x, 32) / 127;
    const float inverse = d == 0 ? 0 : 1 / d;
    put_f16(out, d);
    for (int i = 0; i < 32; ++i) {
      // Halves away from zero; the largest number below 0.5 keeps 0.49999997 at zero.
      const float scaled = x[i] * inverse;
      const int code = static_cast<int>(scaled + (scaled < 0 ? -0.49999997f : 0.49999997f));
      out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(code));
    }
  }
}

/** Where the largest magnitude falls among the IQ4 levels, which end at -127 and 113. */
constexpr Places kIq4Places{84, 132, 20};

/** Index of a level that is one of the sixteen. */
inline uint8_t iq4_code(float level) {
  uint8_t code = 0;
  for (int k = 0; k < 15; ++k) code += level > static_cast<float>(kIq4Levels[k]) ? 1 : 0;
  return code;
}

inline void put_iq4_codes(const float* x, float scale, uint8_t* out) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  float levels[32];
  for (int i = 0; i < 32; i += kLanes) Iq4Level{}(mul(F32::load(x + i), F32::splat(inverse))).store(levels + i);
  uint8_t codes[32];
  for (int i = 0; i < 32; ++i) codes[i] = iq4_code(levels[i]);
  put_nibbles(codes, out);
}

inline void encode_iq4_nl(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 32, w += 32, out += 18) {
    const float d = put_f16(out, fit_scale(x, w, 32, Iq4Level{}, kIq4Places).scale);
    put_iq4_codes(x, d, out + 2);
  }
}

}  // namespace dts::DTS_TARGET
