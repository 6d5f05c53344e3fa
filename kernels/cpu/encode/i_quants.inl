// IQ1 to IQ3: how fitted blocks of codebook rows are laid out.
namespace dts::DTS_TARGET {

using Iq2Xxs = GridFormat<kIq2XxsBook, Signs::even, 32, 16>;
using Iq2Xs = GridFormat<kIq2XsBook, Signs::even, 16, 16>;
using Iq2S = GridFormat<kIq2SBook, Signs::any, 16, 16>;
using Iq3Xxs = GridFormat<kIq3XxsBook, Signs::even, 32, 16>;
using Iq3S = GridFormat<kIq3SBook, Signs::any, 32, 16>;
using Iq1S = GridFormat<kIq1Book, Signs::shifted, 32, 8>;
using Iq1M = GridFormat<kIq1Book, Signs::shifted, 16, 8>;

/** Four cells' signs in seven bits each (the eighth makes them even) and the scale: a word of the XXS types. */
inline void put_signs_and_scale(const Cell (&cells)[4], int scale, uint8_t* out) {
  uint32_t word = static_cast<uint32_t>(scale) << 28;
  for (int c = 0; c < 4; ++c) word |= static_cast<uint32_t>(cells[c].signs & 127) << (7 * c);
  put_u32(out, word);
}

inline void encode_iq2_xxs(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 66) {
    const auto block = fit_grid_block<Iq2Xxs>(x, w, 0.125f, {30.0f, 46.0f, 4});
    put_f16(out, block.d);
    for (int s = 0; s < 8; ++s) {
      uint8_t* at = out + 2 + s * 8;
      for (int c = 0; c < 4; ++c) at[c] = static_cast<uint8_t>(block.cells[s][c].rows[0]);
      put_signs_and_scale(block.cells[s], block.scale[s], at + 4);
    }
  }
}

inline void encode_iq2_xs(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 74) {
    const auto block = fit_grid_block<Iq2Xs>(x, w, 0.125f, {30.0f, 46.0f, 4});
    put_f16(out, block.d);
    for (int g = 0; g < 32; ++g) {
      const Cell& cell = block.cells[g >> 1][g & 1];
      put_u16(out + 2 + g * 2, cell.rows[0] | ((cell.signs & 127u) << 9));
    }
    for (int i = 0; i < 8; ++i) out[66 + i] = static_cast<uint8_t>(block.scale[2 * i] | (block.scale[2 * i + 1] << 4));
  }
}

inline void encode_iq2_s(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 82) {
    const auto block = fit_grid_block<Iq2S>(x, w, 0.125f, {30.0f, 46.0f, 4});
    put_f16(out, block.d);
    std::memset(out + 66, 0, 8);
    for (int g = 0; g < 32; ++g) {
      const Cell& cell = block.cells[g >> 1][g & 1];
      out[2 + g] = static_cast<uint8_t>(cell.rows[0]);
      out[34 + g] = cell.signs;
      out[66 + (g >> 2)] = static_cast<uint8_t>(out[66 + (g >> 2)] | ((cell.rows[0] >> 8) << ((g & 3) * 2)));
    }
    for (int i = 0; i < 8; ++i) out[74 + i] = static_cast<uint8_t>(block.scale[2 * i] | (block.scale[2 * i + 1] << 4));
  }
}

inline void encode_iq3_xxs(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 98) {
    const auto block = fit_grid_block<Iq3Xxs>(x, w, 0.25f, {44.0f, 66.0f, 5});
    put_f16(out, block.d);
    for (int s = 0; s < 8; ++s) {
      for (int r = 0; r < 8; ++r) out[2 + s * 8 + r] = static_cast<uint8_t>(block.cells[s][r >> 1].rows[r & 1]);
      put_signs_and_scale(block.cells[s], block.scale[s], out + 66 + s * 4);
    }
  }
}

inline void encode_iq3_s(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 110) {
    const auto block = fit_grid_block<Iq3S>(x, w, 1.0f, {10.5f, 16.0f, 5});
    put_f16(out, block.d);
    for (int s = 0; s < 8; ++s) {
      unsigned high = 0;
      for (int r = 0; r < 8; ++r) {
        const unsigned row = block.cells[s][r >> 1].rows[r & 1];
        out[2 + s * 8 + r] = static_cast<uint8_t>(row);
        high |= (row >> 8) << r;
      }
      out[66 + s] = static_cast<uint8_t>(high);
      for (int c = 0; c < 4; ++c) out[74 + s * 4 + c] = block.cells[s][c].signs;
    }
    for (int i = 0; i < 4; ++i) out[106 + i] = static_cast<uint8_t>(block.scale[2 * i] | (block.scale[2 * i + 1] << 4));
  }
}

inline void encode_iq1_s(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 50) {
    const auto block = fit_grid_block<Iq1S>(x, w, 1.0f, {0.7f, 2.2f, 4});
    put_f16(out, block.d);
    for (int s = 0; s < 8; ++s) {
      unsigned high = (static_cast<unsigned>(block.scale[s]) << 12) | (block.cells[s][0].signs ? 0x8000u : 0u);
      for (int c = 0; c < 4; ++c) {
        out[2 + s * 4 + c] = static_cast<uint8_t>(block.cells[s][c].rows[0]);
        high |= (block.cells[s][c].rows[0] >> 8) << (3 * c);
      }
      put_u16(out + 34 + s * 2, high);
    }
  }
}

inline void encode_iq1_m(const float* x, const float* w, size_t elements, uint8_t* out) {
  for (const float* end = x + elements; x < end; x += 256, w += 256, out += 56) {
    const auto block = fit_grid_block<Iq1M>(x, w, 1.0f, {0.7f, 2.2f, 4});
    const unsigned d = f32_to_f16(block.d);
    std::memset(out + 32, 0, 16);
    unsigned words[4] = {(d & 15) << 12, ((d >> 4) & 15) << 12, ((d >> 8) & 15) << 12, (d >> 12) << 12};
    for (int g = 0; g < 32; ++g) {
      const Cell& cell = block.cells[g >> 1][g & 1];
      out[g] = static_cast<uint8_t>(cell.rows[0]);
      const unsigned high = (cell.rows[0] >> 8) | (cell.signs ? 8u : 0u);
      out[32 + (g >> 1)] = static_cast<uint8_t>(out[32 + (g >> 1)] | (high << ((g & 1) * 4)));
    }
    for (int s = 0; s < 16; ++s) words[s >> 2] |= static_cast<unsigned>(block.scale[s]) << (3 * (s & 3));
    for (int i = 0; i < 4; ++i) put_u16(out + 48 + 2 * i, words[i]);
  }
}

}  // namespace dts::DTS_TARGET
