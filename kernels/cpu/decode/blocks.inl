// Stored blocks to f32, bit for bit as ggml does: the C++ of src/tensor/decode/. Compiled once per target.
// Each function decodes `elements` (whole blocks) from `at` to `out`. Source: ggml-common.h of llama.cpp.
namespace dts::DTS_TARGET {

using DecodeFn = void (*)(const uint8_t* at, size_t elements, float* out);

inline void decode_f32(const uint8_t* at, size_t elements, float* out) { std::memcpy(out, at, elements * 4); }

inline void decode_f16(const uint8_t* at, size_t elements, float* out) {
  size_t i = 0;
  for (; i + F32::lanes <= elements; i += F32::lanes) F32::from_f16(at + 2 * i).store(out + i);
  for (; i < elements; ++i) out[i] = f16_at(at + 2 * i);
}

inline void decode_bf16(const uint8_t* at, size_t elements, float* out) {
  size_t i = 0;
  for (; i + F32::lanes <= elements; i += F32::lanes) F32::from_bf16(at + 2 * i).store(out + i);
  for (; i < elements; ++i) out[i] = bf16_to_f32(u16_at(at + 2 * i));
}

inline void decode_f8_e4m3(const uint8_t* at, size_t elements, float* out) {
  size_t i = 0;
  for (; i + F32::lanes <= elements; i += F32::lanes) F32::from_f8(at + i).store(out + i);
  for (; i < elements; ++i) out[i] = f8e4m3_to_f32(at[i]);
}

// Blocks of 32: an f16 scale d (and in the _1 types an f16 minimum m), then the codes; low nibbles are elements 0 to 15.

inline void decode_q4_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 18, out += 32) {
    const float d = f16_at(at);
    for (int i = 0; i < 16; ++i) {
      out[i] = static_cast<float>((at[2 + i] & 15) - 8) * d;
      out[16 + i] = static_cast<float>((at[2 + i] >> 4) - 8) * d;
    }
  }
}

inline void decode_q4_1(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 20, out += 32) {
    const float d = f16_at(at), m = f16_at(at + 2);
    for (int i = 0; i < 16; ++i) {
      out[i] = static_cast<float>(at[4 + i] & 15) * d + m;
      out[16 + i] = static_cast<float>(at[4 + i] >> 4) * d + m;
    }
  }
}

inline void decode_q5_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 22, out += 32) {
    const float d = f16_at(at);
    const uint32_t high = u32_at(at + 2);
    for (int i = 0; i < 16; ++i) {
      const int low_code = (at[6 + i] & 15) | (((high >> i) & 1) << 4);
      const int high_code = (at[6 + i] >> 4) | (((high >> (16 + i)) & 1) << 4);
      out[i] = static_cast<float>(low_code - 16) * d;
      out[16 + i] = static_cast<float>(high_code - 16) * d;
    }
  }
}

inline void decode_q5_1(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 24, out += 32) {
    const float d = f16_at(at), m = f16_at(at + 2);
    const uint32_t high = u32_at(at + 4);
    for (int i = 0; i < 16; ++i) {
      const int low_code = (at[8 + i] & 15) | (((high >> i) & 1) << 4);
      const int high_code = (at[8 + i] >> 4) | (((high >> (16 + i)) & 1) << 4);
      out[i] = static_cast<float>(low_code) * d + m;
      out[16 + i] = static_cast<float>(high_code) * d + m;
    }
  }
}

inline void decode_q8_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 34, out += 32) {
    const float d = f16_at(at);
    for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(at[2 + i])) * d;
  }
}

// Super-blocks of 256.

/** w = q (d scale) - dmin min, with 4-bit scale and min for each 16 elements. */
inline void decode_q2_k(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 84, out += 256) {
    const float d = f16_at(at + 80), dmin = f16_at(at + 82);
    for (int sub = 0; sub < 16; ++sub) {
      const float scale = d * static_cast<float>(at[sub] & 15);
      const float min = dmin * static_cast<float>(at[sub] >> 4);
      const uint8_t* from = at + 16 + (sub >> 3) * 32 + (sub & 1) * 16;
      const int shift = ((sub >> 1) & 3) * 2;
      for (int i = 0; i < 16; ++i) out[sub * 16 + i] = scale * static_cast<float>((from[i] >> shift) & 3) - min;
    }
  }
}

/** w = d (scale - 32) (q - 4 unless the high bit is set), with 6-bit scales for each 16 elements. */
inline void decode_q3_k(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 110, out += 256) {
    const float d = f16_at(at + 108);
    const uint8_t* scales = at + 96;
    for (int sub = 0; sub < 16; ++sub) {
      const int low = (scales[sub & 7] >> ((sub >> 3) * 4)) & 15;
      const int high = (scales[8 + (sub & 3)] >> ((sub >> 2) * 2)) & 3;
      const float scale = d * static_cast<float>((low | (high << 4)) - 32);
      const uint8_t* high_bits = at + (sub & 1) * 16;
      const uint8_t* from = at + 32 + (sub >> 3) * 32 + (sub & 1) * 16;
      const int shift = ((sub >> 1) & 3) * 2, bit = sub >> 1;
      for (int i = 0; i < 16; ++i) {
        const int offset = ((high_bits[i] >> bit) & 1) ? 0 : 4;
        out[sub * 16 + i] = scale * static_cast<float>(((from[i] >> shift) & 3) - offset);
      }
    }
  }
}

/** The 6-bit scale and minimum of sub-block `sub` of Q4_K and Q5_K, from their 12 packed bytes. */
inline int k_scale(const uint8_t* scales, int sub) {
  return sub < 4 ? scales[sub] & 63 : (scales[4 + sub] & 15) | ((scales[sub - 4] >> 6) << 4);
}
inline int k_min(const uint8_t* scales, int sub) {
  return sub < 4 ? scales[4 + sub] & 63 : (scales[4 + sub] >> 4) | ((scales[sub] >> 6) << 4);
}

/** w = q (d scale) - dmin min. */
inline void decode_q4_k(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 144, out += 256) {
    const float d = f16_at(at), dmin = f16_at(at + 2);
    for (int sub = 0; sub < 8; ++sub) {
      const float scale = d * static_cast<float>(k_scale(at + 4, sub));
      const float min = dmin * static_cast<float>(k_min(at + 4, sub));
      const uint8_t* from = at + 16 + (sub >> 1) * 32;
      const int shift = (sub & 1) * 4;
      for (int i = 0; i < 32; ++i) out[sub * 32 + i] = scale * static_cast<float>((from[i] >> shift) & 15) - min;
    }
  }
}

/** As Q4_K, with the fifth bit of element i of sub-block s in bit s of byte i. */
inline void decode_q5_k(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 176, out += 256) {
    const float d = f16_at(at), dmin = f16_at(at + 2);
    for (int sub = 0; sub < 8; ++sub) {
      const float scale = d * static_cast<float>(k_scale(at + 4, sub));
      const float min = dmin * static_cast<float>(k_min(at + 4, sub));
      const uint8_t* from = at + 48 + (sub >> 1) * 32;
      const int shift = (sub & 1) * 4;
      for (int i = 0; i < 32; ++i) {
        const int code = ((from[i] >> shift) & 15) | (((at[16 + i] >> sub) & 1) << 4);
        out[sub * 32 + i] = scale * static_cast<float>(code) - min;
      }
    }
  }
}

/** w = d scale (q - 32), with signed 8-bit scales for each 16 elements. */
inline void decode_q6_k(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 210, out += 256) {
    const float d = f16_at(at + 208);
    for (int sub = 0; sub < 16; ++sub) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(at[192 + sub]));
      const int half = sub >> 3, quarter = (sub >> 1) & 3, column = (sub & 1) * 16;
      const uint8_t* low = at + half * 64 + (quarter & 1) * 32 + column;
      const uint8_t* high = at + 128 + half * 32 + column;
      const int low_shift = (quarter >> 1) * 4, high_shift = quarter * 2;
      for (int i = 0; i < 16; ++i) {
        const int code = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
        out[sub * 16 + i] = scale * static_cast<float>(code - 32);
      }
    }
  }
}

// Blocks whose codes name rows of a codebook, in groups of 8 elements.

inline int nibble_at(const uint8_t* at, int index) { return (at[index >> 1] >> ((index & 1) * 4)) & 15; }

/** Seven stored sign bits and an eighth that makes their number even. */
inline unsigned even_signs(unsigned bits) {
  unsigned parity = bits ^ (bits >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return bits | ((parity & 1) << 7);
}

inline void write_signed(const int8_t* row, int count, unsigned signs, float scale, float* out) {
  for (int i = 0; i < count; ++i) {
    const float value = scale * static_cast<float>(row[i]);
    out[i] = ((signs >> i) & 1) ? -value : value;
  }
}

inline void decode_iq2_xxs(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 66, out += 256) {
    const float d = f16_at(at);
    for (int sub = 0; sub < 8; ++sub) {
      const uint8_t* rows = at + 2 + sub * 8;
      const uint32_t word = u32_at(rows + 4);
      const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.25f;
      for (int group = 0; group < 4; ++group) {
        const unsigned signs = even_signs((word >> (7 * group)) & 127);
        write_signed(kIq2XxsGrid[rows[group]], 8, signs, scale, out + sub * 32 + group * 8);
      }
    }
  }
}

inline void decode_iq2_xs(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 74, out += 256) {
    const float d = f16_at(at);
    for (int group = 0; group < 32; ++group) {
      const unsigned code = u16_at(at + 2 + group * 2);
      const float scale = d * (0.5f + static_cast<float>(nibble_at(at + 66, group >> 1))) * 0.25f;
      write_signed(kIq2XsGrid[code & 511], 8, even_signs(code >> 9), scale, out + group * 8);
    }
  }
}

inline void decode_iq2_s(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 82, out += 256) {
    const float d = f16_at(at);
    for (int group = 0; group < 32; ++group) {
      const int high = (at[66 + (group >> 2)] >> ((group & 3) * 2)) & 3;
      const float scale = d * (0.5f + static_cast<float>(nibble_at(at + 74, group >> 1))) * 0.25f;
      write_signed(kIq2SGrid[at[2 + group] | (high << 8)], 8, at[34 + group], scale, out + group * 8);
    }
  }
}

inline void decode_iq3_xxs(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 98, out += 256) {
    const float d = f16_at(at);
    for (int sub = 0; sub < 8; ++sub) {
      const uint32_t word = u32_at(at + 66 + sub * 4);
      const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
      for (int group = 0; group < 4; ++group) {
        const uint8_t* rows = at + 2 + sub * 8 + group * 2;
        const unsigned signs = even_signs((word >> (7 * group)) & 127);
        float* to = out + sub * 32 + group * 8;
        write_signed(kIq3XxsGrid[rows[0]], 4, signs, scale, to);
        write_signed(kIq3XxsGrid[rows[1]], 4, signs >> 4, scale, to + 4);
      }
    }
  }
}

inline void decode_iq3_s(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 110, out += 256) {
    const float d = f16_at(at);
    for (int group = 0; group < 32; ++group) {
      const uint8_t* rows = at + 2 + group * 2;
      const int high = at[66 + (group >> 2)] >> ((group & 3) * 2);
      const unsigned signs = at[74 + group];
      const float scale = d * static_cast<float>(1 + 2 * nibble_at(at + 106, group >> 2));
      float* to = out + group * 8;
      write_signed(kIq3SGrid[rows[0] | ((high & 1) << 8)], 4, signs, scale, to);
      write_signed(kIq3SGrid[rows[1] | ((high & 2) << 7)], 4, signs >> 4, scale, to + 4);
    }
  }
}

/** w = scale (row value + shift): the rows of IQ1 are ternary, moved up or down by an eighth. */
inline void write_shifted(const int8_t* row, float shift, float scale, float* out) {
  for (int i = 0; i < 8; ++i) out[i] = scale * (static_cast<float>(row[i]) + shift);
}

inline void decode_iq1_s(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 50, out += 256) {
    const float d = f16_at(at);
    for (int sub = 0; sub < 8; ++sub) {
      const unsigned high = u16_at(at + 34 + sub * 2);
      const float scale = d * static_cast<float>(2 * ((high >> 12) & 7) + 1);
      const float shift = (high & 0x8000) ? -0.125f : 0.125f;
      for (int group = 0; group < 4; ++group) {
        const unsigned row = at[2 + sub * 4 + group] | (((high >> (3 * group)) & 7) << 8);
        write_shifted(kIq1Grid[row], shift, scale, out + sub * 32 + group * 8);
      }
    }
  }
}

/** As IQ1_S with a shift each 8 and a 3-bit scale each 16; d is in the top nibbles of the four scale words. */
inline void decode_iq1_m(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 56, out += 256) {
    const uint8_t* scales = at + 48;
    const unsigned d_bits = (scales[1] >> 4) | (scales[3] & 0xf0) | ((scales[5] & 0xf0) << 4) | ((scales[7] & 0xf0) << 8);
    const float d = f16_to_f32(static_cast<uint16_t>(d_bits));
    for (int group = 0; group < 32; ++group) {
      const int high = nibble_at(at + 32, group);
      const int sub = group >> 1;
      const unsigned word = u16_at(scales + (sub >> 2) * 2);
      const float scale = d * static_cast<float>(2 * ((word >> (3 * (sub & 3))) & 7) + 1);
      write_shifted(kIq1Grid[at[group] | ((high & 7) << 8)], (high & 8) ? -0.125f : 0.125f, scale, out + group * 8);
    }
  }
}

/** Sixteen levels, denser near zero. */
constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/** `count` bytes of 4-bit codes: the low nibbles are the first `count` elements. w = scale * levels[code] */
inline void decode_nibbles(const uint8_t* at, int count, float scale, const int8_t* levels, float* out) {
  for (int i = 0; i < count; ++i) {
    out[i] = scale * static_cast<float>(levels[at[i] & 15]);
    out[count + i] = scale * static_cast<float>(levels[at[i] >> 4]);
  }
}

inline void decode_iq4_nl(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 18, out += 32) {
    decode_nibbles(at + 2, 16, f16_at(at), kIq4Levels, out);
  }
}

inline void decode_iq4_xs(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 136, out += 256) {
    const float d = f16_at(at);
    const unsigned high = u16_at(at + 2);
    for (int sub = 0; sub < 8; ++sub) {
      const int code = nibble_at(at + 4, sub) | (((high >> (2 * sub)) & 3) << 4);
      decode_nibbles(at + 8 + sub * 16, 16, d * static_cast<float>(code - 32), kIq4Levels, out + sub * 32);
    }
  }
}

// Four bits a weight with shared exponents, and two bits or less.

/** Twice the values of FP4 E2M1, which makes them integers; the scales are halved in return. */
constexpr int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/** Half of 2^(e - 127), the E8M0 scale: 2^(e - 128). Source: OCP Microscaling Formats 1.0, section 5.4. */
inline float e8m0_halved(unsigned e) {
  return e >= 2 ? bits_to_f32((e - 1) << 23) : bits_to_f32(e == 1 ? 0x00400000 : 0x00200000);
}

/** Half of an unsigned E4M3 scale; ggml reads the NaN code 0x7f as zero and ignores the sign bit elsewhere. */
inline float ue4m3_halved(uint8_t code) {
  if (code == 0x7f) return 0;
  return code == 0xff ? 240 : f8e4m3_to_f32(code & 0x7f) * 0.5f;
}

inline void decode_mxfp4(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 17, out += 32) {
    decode_nibbles(at + 1, 16, e8m0_halved(at[0]), kE2m1Doubled, out);
  }
}

inline void decode_nvfp4(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 36, out += 64) {
    for (int sub = 0; sub < 4; ++sub) {
      decode_nibbles(at + 4 + sub * 8, 8, ue4m3_halved(at[sub]), kE2m1Doubled, out + sub * 16);
    }
  }
}

/** `digits` ternary digits from each of `count` bytes: multiplying the fraction byte / 256 by 3^k brings digit k up. */
inline void decode_trits(const uint8_t* at, int count, int digits, float d, float* out) {
  for (int digit = 0, power = 1; digit < digits; ++digit, power *= 3) {
    for (int i = 0; i < count; ++i) {
      const int fraction = (at[i] * power) & 255;
      out[digit * count + i] = d * static_cast<float>(((fraction * 3) >> 8) - 1);
    }
  }
}

inline void decode_tq1_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 54, out += 256) {
    const float d = f16_at(at + 52);
    decode_trits(at, 32, 5, d, out);
    decode_trits(at + 32, 16, 5, d, out + 160);
    decode_trits(at + 48, 4, 4, d, out + 240);
  }
}

inline void decode_tq2_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 66, out += 256) {
    const float d = f16_at(at + 64);
    for (int sub = 0; sub < 8; ++sub) {
      const uint8_t* from = at + (sub >> 2) * 32;
      const int shift = (sub & 3) * 2;
      for (int i = 0; i < 32; ++i) out[sub * 32 + i] = d * static_cast<float>(((from[i] >> shift) & 3) - 1);
    }
  }
}

inline void decode_q1_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 18, out += 128) {
    const float d = f16_at(at);
    for (int i = 0; i < 128; ++i) out[i] = ((at[2 + (i >> 3)] >> (i & 7)) & 1) ? d : -d;
  }
}

inline void decode_q2_0(const uint8_t* at, size_t elements, float* out) {
  for (const float* end = out + elements; out < end; at += 18, out += 64) {
    const float d = f16_at(at);
    for (int i = 0; i < 64; ++i) out[i] = d * static_cast<float>(((at[2 + (i >> 2)] >> ((i & 3) * 2)) & 3) - 1);
  }
}

/** By DType. */
constexpr DecodeFn kDecoders[kDTypeCount] = {
    decode_f32,    decode_f16,     decode_bf16,   decode_f8_e4m3, decode_q4_0,   decode_q4_1,
    decode_q5_0,   decode_q5_1,    decode_q8_0,   decode_q2_k,    decode_q3_k,   decode_q4_k,
    decode_q5_k,   decode_q6_k,    decode_iq2_xxs, decode_iq2_xs, decode_iq3_xxs, decode_iq1_s,
    decode_iq4_nl, decode_iq3_s,   decode_iq2_s,  decode_iq4_xs,  decode_iq1_m,  decode_tq1_0,
    decode_tq2_0,  decode_mxfp4,   decode_nvfp4,  decode_q1_0,    decode_q2_0,
};

/** Rows [row, row + count) of a weight as f32. */
inline void decode_rows(const Weight& w, size_t row, size_t count, float* out) {
  for (size_t done = 0; done < count;) {
    const size_t next = std::min(count - done, w.rows_in_run(row + done));
    kDecoders[static_cast<size_t>(w.dtype)](w.row(row + done), next * w.cols, out + done * w.cols);
    done += next;
  }
  if (w.scale_block == 0) return;
  for (size_t r = 0; r < count; ++r, out += w.cols) {
    const float* scales = w.scales.data() + (row + r) * w.scale_cols;
    for (size_t b = 0; b < w.scale_cols; ++b) {
      const size_t from = b * w.scale_block;
      const size_t to = std::min(from + w.scale_block, w.cols);
      for (size_t i = from; i < to; ++i) out[i] *= scales[b];
    }
  }
}

/** The same rows where they lie, if they are f32 already; else decoded to scratch. */
inline const float* f32_rows(const Weight& w, size_t row, size_t count, float* scratch) {
  if (w.dtype == DType::F32 && w.rows_in_run(row) >= count) return reinterpret_cast<const float*>(w.row(row));
  decode_rows(w, row, count, scratch);
  return scratch;
}

}  // namespace dts::DTS_TARGET
