// Q2_K to Q6_K and IQ4_XS: how fitted super-blocks are laid out.
namespace dts::DTS_TARGET {

/** The codes of a super-block with minima. */
template <int Sub>
inline void line_codes(const float* x, const LinedBlock<Sub>& block, const Integers& range, uint8_t (&codes)[256]) {
  for (int i = 0; i < 256; ++i) {
    const int s = i / Sub;
    const float step = block.d * static_cast<float>(block.scale[s]), offset = -block.dmin * static_cast<float>(block.min[s]);
    codes[i] = step == 0 ? 0 : static_cast<uint8_t>(static_cast<int>(range((x[i] - offset) * (1 / step))));
  }
}

/** The codes of a super-block without, `bias` added. */
template <int Sub>
inline void scale_codes(const float* x, const ScaledBlock<Sub>& block, const Integers& range, float bias, uint8_t (&codes)[256]) {
  for (int i = 0; i < 256; ++i) {
    const float step = block.d * static_cast<float>(block.scale[i / Sub]);
    codes[i] = static_cast<uint8_t>(static_cast<int>(range(step == 0 ? 0 : x[i] * (1 / step)) + bias));
  }
}

/** Two bits each: byte i of a half holds the elements i, 32 + i, 64 + i, 96 + i of its 128. */
inline void put_pairs_of_bits(const uint8_t (&codes)[256], uint8_t* out) {
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 32; ++i) {
      unsigned byte = 0;
      for (int k = 0; k < 4; ++k) byte |= static_cast<unsigned>(codes[half * 128 + k * 32 + i] & 3) << (2 * k);
      out[half * 32 + i] = static_cast<uint8_t>(byte);
    }
  }
}

inline void encode_q2_k(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{0, 3};
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 84) {
    const auto block = fit_lined_block<16>(x, w, 15, kCodes);
    uint8_t codes[256];
    line_codes(x, block, kCodes, codes);
    for (int s = 0; s < 16; ++s) out[s] = static_cast<uint8_t>(block.scale[s] | (block.min[s] << 4));
    put_pairs_of_bits(codes, out + 16);
    put_f16(out + 80, block.d);
    put_f16(out + 82, block.dmin);
  }
}

inline void encode_q3_k(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{-4, 3};
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 110) {
    const auto block = fit_block<16>(x, w, -32, 31, kCodes, {2.0f, 4.6f, 14});
    uint8_t codes[256];
    scale_codes(x, block, kCodes, 4, codes);
    std::memset(out, 0, 32);
    for (int i = 0; i < 256; ++i) out[i & 31] = static_cast<uint8_t>(out[i & 31] | ((codes[i] >> 2) << (i >> 5)));
    put_pairs_of_bits(codes, out + 32);
    uint8_t* scales = out + 96;
    std::memset(scales, 0, 12);
    for (int s = 0; s < 16; ++s) {
      const unsigned code = static_cast<unsigned>(block.scale[s] + 32);
      scales[s & 7] = static_cast<uint8_t>(scales[s & 7] | ((code & 15) << ((s >> 3) * 4)));
      scales[8 + (s & 3)] = static_cast<uint8_t>(scales[8 + (s & 3)] | ((code >> 4) << ((s >> 2) * 2)));
    }
    put_f16(out + 108, block.d);
  }
}

/** d, dmin and the eight 6-bit scales and minima of Q4_K and Q5_K. */
inline void put_k_head(const LinedBlock<32>& block, uint8_t* out) {
  put_f16(out, block.d);
  put_f16(out + 2, block.dmin);
  uint8_t* packed = out + 4;
  for (int s = 0; s < 4; ++s) {
    packed[s] = static_cast<uint8_t>(block.scale[s] | ((block.scale[s + 4] >> 4) << 6));
    packed[4 + s] = static_cast<uint8_t>(block.min[s] | ((block.min[s + 4] >> 4) << 6));
    packed[8 + s] = static_cast<uint8_t>((block.scale[s + 4] & 15) | ((block.min[s + 4] & 15) << 4));
  }
}

/** Low nibbles of sub-block 2 p, high ones of 2 p + 1. */
inline void put_nibble_pairs(const uint8_t (&codes)[256], uint8_t* out) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t* low = codes + pair * 64 + i;
      out[pair * 32 + i] = static_cast<uint8_t>((low[0] & 15) | ((low[32] & 15) << 4));
    }
  }
}

inline void encode_q4_k(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{0, 15};
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 144) {
    const auto block = fit_lined_block<32>(x, w, 63, kCodes);
    uint8_t codes[256];
    line_codes(x, block, kCodes, codes);
    put_k_head(block, out);
    put_nibble_pairs(codes, out + 16);
  }
}

inline void encode_q5_k(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{0, 31};
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 176) {
    const auto block = fit_lined_block<32>(x, w, 63, kCodes);
    uint8_t codes[256];
    line_codes(x, block, kCodes, codes);
    put_k_head(block, out);
    for (int i = 0; i < 32; ++i) {
      unsigned high = 0;
      for (int s = 0; s < 8; ++s) high |= static_cast<unsigned>(codes[s * 32 + i] >> 4) << s;
      out[16 + i] = static_cast<uint8_t>(high);
    }
    put_nibble_pairs(codes, out + 48);
  }
}

inline void encode_q6_k(const float* x, const float* w, size_t elements, uint8_t* out) {
  constexpr Integers kCodes{-32, 31};
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 210) {
    const auto block = fit_block<16>(x, w, -128, 127, kCodes, {27.0f, 33.0f, 13});
    uint8_t codes[256];
    scale_codes(x, block, kCodes, 32, codes);
    for (int half = 0; half < 2; ++half) {
      const uint8_t* from = codes + half * 128;
      for (int i = 0; i < 64; ++i) out[half * 64 + i] = static_cast<uint8_t>((from[i] & 15) | ((from[64 + i] & 15) << 4));
      for (int i = 0; i < 32; ++i) {
        unsigned high = 0;
        for (int k = 0; k < 4; ++k) high |= static_cast<unsigned>(from[k * 32 + i] >> 4) << (2 * k);
        out[128 + half * 32 + i] = static_cast<uint8_t>(high);
      }
    }
    for (int s = 0; s < 16; ++s) out[192 + s] = static_cast<uint8_t>(static_cast<int8_t>(block.scale[s]));
    put_f16(out + 208, block.d);
  }
}

inline void encode_iq4_xs(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 136) {
    const auto block = fit_block<32>(x, w, -32, 31, Iq4Level{}, kIq4Places);
    put_f16(out, block.d);
    unsigned high = 0;
    std::memset(out + 4, 0, 4);
    for (int s = 0; s < 8; ++s) {
      const unsigned code = static_cast<unsigned>(block.scale[s] + 32);
      out[4 + (s >> 1)] = static_cast<uint8_t>(out[4 + (s >> 1)] | ((code & 15) << ((s & 1) * 4)));
      high |= (code >> 4) << (2 * s);
      put_iq4_codes(x + s * 32, block.d * static_cast<float>(block.scale[s]), out + 8 + s * 16);
    }
    put_u16(out + 2, high);
  }
}

}  // namespace dts::DTS_TARGET
