// Raw GGUF rows to the panels of layout.h. Compiled once per target for its number of lanes; memory-bound word moves.
// All supported targets are little-endian.
namespace dts::qgemm::DTS_TARGET {

inline uint32_t load_u32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

// Writes the items of one row (lane) plane after plane.
class PlaneWriter {
 public:
  PlaneWriter(uint8_t* unit, size_t lane) : unit_(unit), lane_(lane) {}
  void half(const uint8_t* p) {
    std::memcpy(unit_ + lane_ * 2, p, 2);
    unit_ += kLanes * 2;
  }
  void word(uint32_t v) {
    std::memcpy(unit_ + lane_ * 4, &v, 4);
    unit_ += kLanes * 4;
  }
  void byte(uint8_t v) {
    unit_[lane_] = v;
    unit_ += kLanes;
  }
  void words(const uint8_t* p, size_t count) {
    for (size_t i = 0; i < count; ++i) word(load_u32(p + i * 4));
  }

 private:
  uint8_t* unit_;
  size_t lane_;
};

inline const uint8_t kZeroHalf[2] = {0, 0};

// Bit 4j + i of `bits` to bit j of byte i.
inline uint32_t spread_bits(uint32_t bits) {
  uint32_t out = 0;
  for (uint32_t c = 0; c < 32; ++c) out |= ((bits >> c) & 1) << ((c & 3) * 8 + (c >> 2));
  return out;
}

// Bit `bit` of each of 32 bytes, byte 4j + i to bit j of byte i.
inline uint32_t gather_bits(const uint8_t* bytes, unsigned bit) {
  uint32_t out = 0;
  for (unsigned j = 0; j < 8; ++j) out |= ((load_u32(bytes + 4 * j) >> bit) & 0x01010101u) << j;
  return out;
}

// The 12 packed scale bytes of Q4_K and Q5_K to the three words of the layout.
inline void scale_words(const uint8_t* s, uint32_t (&words)[3]) {
  uint32_t v[16];
  for (int i = 0; i < 4; ++i) {
    v[i] = s[i] & 63u;
    v[8 + i] = s[4 + i] & 63u;
    v[4 + i] = (s[8 + i] & 15u) | (s[i] >> 6) << 4;
    v[12 + i] = (s[8 + i] >> 4) | (s[4 + i] >> 6) << 4;
  }
  for (int w = 0; w < 3; ++w) {
    words[w] = (v[15] >> (2 * w) & 3) << 30;
    for (int i = 0; i < 5; ++i) words[w] |= v[w * 5 + i] << (6 * i);
  }
}

inline void pack_q6_k(PlaneWriter& to, const uint8_t* block) {
  const uint8_t* high = block + 128;
  for (int sub = 0; sub < 16; ++sub) to.byte(block[192 + sub]);
  for (unsigned half = 0; half < 2; ++half, block += 64, high += 32) {
    for (unsigned pair = 0; pair < 2; ++pair) {  // 64 columns: quarters 2 pair and 2 pair + 1 of the half
      uint32_t upper[4] = {0, 0, 0, 0};
      uint32_t codes[8];
      for (unsigned j = 0; j < 8; ++j) {
        const uint32_t bits = load_u32(high + 4 * j) >> (4 * pair);
        upper[j >> 2] |= (bits & 0x03030303u) << (2 * (j & 3));
        upper[2 + (j >> 2)] |= (bits >> 2 & 0x03030303u) << (2 * (j & 3));
        const uint32_t first = load_u32(block + 4 * j) >> (4 * pair) & 0x0f0f0f0fu;
        const uint32_t second = load_u32(block + 32 + 4 * j) >> (4 * pair) & 0x0f0f0f0fu;
        codes[j] = first | second << 4;
      }
      for (uint32_t w : upper) to.word(w);
      for (uint32_t w : codes) to.word(w);
    }
  }
}

// One row's blocks of one unit. `count` is 1, or 2 in whole units of the paired formats.
inline void pack_unit(Type type, const uint8_t* src, size_t block_bytes, size_t count, bool paired, PlaneWriter to) {
  const uint8_t* second = src + block_bytes;
  if (paired) {
    const size_t d_at = type == Type::Q6_K ? 208 : 0;
    to.half(src + d_at);
    to.half(count == 2 ? second + d_at : kZeroHalf);
  }
  for (size_t b = 0; b < count; ++b, src += block_bytes) {
    switch (type) {
      case Type::Q8_0:
        for (int j = 0; j < 8; ++j) to.word(load_u32(src + 2 + 4 * j) ^ 0x80808080u);
        break;
      case Type::Q4_0:
      case Type::IQ4_NL:
        to.words(src + 2, 4);
        break;
      case Type::Q5_0:
        to.word(spread_bits(load_u32(src + 2)));
        to.words(src + 6, 4);
        break;
      case Type::Q4_1:
        to.half(src);
        to.half(src + 2);
        to.words(src + 4, 4);
        break;
      case Type::Q5_1:
        to.half(src);
        to.half(src + 2);
        to.word(spread_bits(load_u32(src + 4)));
        to.words(src + 8, 4);
        break;
      case Type::Q4_K:
      case Type::Q5_K: {
        to.half(src);
        to.half(src + 2);
        uint32_t scales[3];
        scale_words(src + 4, scales);
        for (uint32_t w : scales) to.word(w);
        for (unsigned group = 0; group < 4; ++group) {
          if (type == Type::Q5_K) {
            to.word(gather_bits(src + 16, 2 * group));
            to.word(gather_bits(src + 16, 2 * group + 1));
          }
          to.words(src + (type == Type::Q5_K ? 48 : 16) + 32 * group, 8);
        }
        break;
      }
      case Type::Q6_K:
        pack_q6_k(to, src);
        break;
      case Type::IQ4_XS:
        to.half(src);
        to.half(src + 2);
        to.words(src + 4, 1);
        to.words(src + 8, 32);
        break;
    }
  }
}

inline size_t packed_bytes(Type type, size_t rows, size_t cols) {
  const Geometry g = geometry(type);
  if (g.block_columns == 0 || cols == 0 || cols % g.block_columns != 0) return 0;
  return (rows + kLanes - 1) / kLanes * kLanes * packed_row_bytes(g, cols);
}

template <Type type>
void pack_rows(const uint8_t* src, size_t row0, size_t row1, size_t cols, uint8_t* packed) {
  constexpr Geometry g = geometry(type);
  constexpr bool paired = g.blocks_per_unit == 2;
  const size_t blocks = cols / g.block_columns;
  const size_t row_bytes = blocks * g.block_bytes;
  const size_t panel_bytes = packed_row_bytes(g, cols) * kLanes;
  for (size_t row = row0; row < row1; row += kLanes, src += kLanes * row_bytes) {
    uint8_t* panel = packed + row / kLanes * panel_bytes;
    const size_t lanes = row1 - row < kLanes ? row1 - row : kLanes;
    if (lanes < kLanes) std::memset(panel, 0, panel_bytes);
    for (size_t block = 0; block < blocks;) {
      const size_t count = blocks - block < g.blocks_per_unit ? 1 : g.blocks_per_unit;
      for (size_t lane = 0; lane < lanes; ++lane) {
        const uint8_t* from = src + lane * row_bytes + block * g.block_bytes;
        pack_unit(type, from, g.block_bytes, count, paired, PlaneWriter(panel, lane));
      }
      panel += (count == g.blocks_per_unit ? g.unit_bytes : g.odd_unit_bytes) * kLanes;
      block += count;
    }
  }
}

inline void pack(Type type, const uint8_t* src, size_t row0, size_t row1, size_t cols, uint8_t* packed) {
  switch (type) {
    case Type::Q4_0: return pack_rows<Type::Q4_0>(src, row0, row1, cols, packed);
    case Type::Q4_1: return pack_rows<Type::Q4_1>(src, row0, row1, cols, packed);
    case Type::Q5_0: return pack_rows<Type::Q5_0>(src, row0, row1, cols, packed);
    case Type::Q5_1: return pack_rows<Type::Q5_1>(src, row0, row1, cols, packed);
    case Type::Q8_0: return pack_rows<Type::Q8_0>(src, row0, row1, cols, packed);
    case Type::Q4_K: return pack_rows<Type::Q4_K>(src, row0, row1, cols, packed);
    case Type::Q5_K: return pack_rows<Type::Q5_K>(src, row0, row1, cols, packed);
    case Type::Q6_K: return pack_rows<Type::Q6_K>(src, row0, row1, cols, packed);
    case Type::IQ4_NL: return pack_rows<Type::IQ4_NL>(src, row0, row1, cols, packed);
    case Type::IQ4_XS: return pack_rows<Type::IQ4_XS>(src, row0, row1, cols, packed);
  }
}

}  // namespace dts::qgemm::DTS_TARGET
