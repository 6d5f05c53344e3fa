// One struct a weight format: walks blocks [first, last) of a packed panel (layout.h), 32 columns of its kLanes rows each,
// and hands them to `body`. first is a multiple of kBlocksPerStep, and so is last unless it is the end of the panel.
//   body(block, codes, scale, second)     codes[j] byte 4r + i: the unsigned code of row r, column 32 block + 4j + i
//
//   kHalves            scale belongs to columns 0..15, second to 16..31       w = scale (code - 32)
//   kMinimum           second is to be added                                  w = scale code + second
//   neither            second is unused                                       w = scale (code - offset)
// start(x) is where the int32 dot product begins, that is kBias - offset · Σ x.q.
namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kBlocksPerStep = 8;

// Tells the hardware, which follows a stream to the end of a page of 4 KiB only, what pages come next, by one line a block. On a
// Zen 4 core, fetching all lines makes reading from memory a tenth to a quarter slower, fetching none only that of Q6_K.
DTS_INLINE void announce(const uint8_t* p) { __builtin_prefetch(p + 8192, 0, 2); }

DTS_INLINE void nibbles_of_block(const uint8_t* p, U8 (&codes)[8]) {
  DTS_UNROLL for (size_t j = 0; j < 4; ++j) {
    const U8 raw = U8::load(p + j * 4 * kLanes);
    codes[j] = raw.low_nibbles();
    codes[j + 4] = raw.high_nibbles();
  }
}

template <bool kHigh>
DTS_INLINE void nibbles_of_pair(const uint8_t* p, U8 (&codes)[8]) {
  DTS_UNROLL for (size_t j = 0; j < 8; ++j) {
    const U8 raw = U8::load(p + j * 4 * kLanes);
    codes[j] = kHigh ? raw.high_nibbles() : raw.low_nibbles();
  }
}

template <size_t... J>
DTS_INLINE void add_fifth_bits(const uint8_t* p, U8 (&codes)[8], std::index_sequence<J...>) {
  const U8 bits = U8::load(p);
  ((codes[J] = codes[J] | bits.template to_bit4<static_cast<int>(J), 0x10>()), ...);
}

template <size_t... J>
DTS_INLINE void add_upper_bits(const uint8_t* p, U8 (&codes)[8], std::index_sequence<J...>) {
  const U8 bits[2] = {U8::load(p), U8::load(p + 4 * kLanes)};
  ((codes[J] = codes[J] | bits[J / 4].template to_bit4<static_cast<int>(J % 4 * 2), 0x30>()), ...);
}

using Eight = std::make_index_sequence<8>;

// The levels of IQ4_NL and IQ4_XS plus 128.
alignas(16) inline constexpr uint8_t kIq4Codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

DTS_INLINE void look_up(U8 (&codes)[8]) {
  DTS_UNROLL for (size_t j = 0; j < 8; ++j) codes[j] = codes[j].looked_up(kIq4Codes);
}

// Where codes are signed bytes + 128 and the target's dots take them so, there is no offset left.
DTS_INLINE int32_t start_of_bytes(const QBlock& x) { return kSigned8 ? kBias : x.start128; }

template <Type>
struct Format;

// Formats of 32 columns whose two blocks share a plane of scales. Derived: codes(p, codes), kBlockBytes (of a row).
template <class Derived, Type kType>
struct PairedFormat {
  static constexpr bool kHalves = false, kMinimum = false;
  template <class Body>
  DTS_INLINE static void walk(const uint8_t* p, size_t first, size_t last, Body&& body) {
    constexpr Geometry g = geometry(kType);
    constexpr size_t kBytes = (g.odd_unit_bytes - 4) * kLanes;
    for (size_t b = first; b < last; ++b) {
      const uint8_t* unit = p + b / 2 * g.unit_bytes * kLanes;
      const uint8_t* planes = unit + 4 * kLanes + b % 2 * kBytes;
      announce(planes);
      U8 codes[8];
      Derived::load(planes, codes);
      body(b, codes, F32::halves(unit + b % 2 * 2 * kLanes), F32::zero());
    }
  }
};

template <>
struct Format<Type::Q8_0> : PairedFormat<Format<Type::Q8_0>, Type::Q8_0> {
  static constexpr int kMaxCode = 255;
  DTS_INLINE static int32_t start(const QBlock& x) { return start_of_bytes(x); }
  DTS_INLINE static void load(const uint8_t* p, U8 (&codes)[8]) {
    DTS_UNROLL for (size_t j = 0; j < 8; ++j) codes[j] = U8::load(p + j * 4 * kLanes);
  }
};

template <>
struct Format<Type::Q4_0> : PairedFormat<Format<Type::Q4_0>, Type::Q4_0> {
  static constexpr int kMaxCode = 15;
  DTS_INLINE static int32_t start(const QBlock& x) { return x.start8; }
  DTS_INLINE static void load(const uint8_t* p, U8 (&codes)[8]) { nibbles_of_block(p, codes); }
};

template <>
struct Format<Type::IQ4_NL> : PairedFormat<Format<Type::IQ4_NL>, Type::IQ4_NL> {
  static constexpr int kMaxCode = 255;
  DTS_INLINE static int32_t start(const QBlock& x) { return start_of_bytes(x); }
  DTS_INLINE static void load(const uint8_t* p, U8 (&codes)[8]) {
    nibbles_of_block(p, codes);
    look_up(codes);
  }
};

template <>
struct Format<Type::Q5_0> : PairedFormat<Format<Type::Q5_0>, Type::Q5_0> {
  static constexpr int kMaxCode = 31;
  DTS_INLINE static int32_t start(const QBlock& x) { return x.start16; }
  DTS_INLINE static void load(const uint8_t* p, U8 (&codes)[8]) {
    nibbles_of_block(p + 4 * kLanes, codes);
    add_fifth_bits(p, codes, Eight{});
  }
};

// Formats of 32 columns with a scale and a minimum each.
template <bool kFifthBits>
struct MinimumFormat {
  static constexpr bool kHalves = false, kMinimum = true;
  static constexpr int kMaxCode = kFifthBits ? 31 : 15;
  DTS_INLINE static int32_t start(const QBlock&) { return kBias; }
  template <class Body>
  DTS_INLINE static void walk(const uint8_t* p, size_t first, size_t last, Body&& body) {
    constexpr size_t kBytes = (kFifthBits ? 24 : 20) * kLanes;
    p += first * kBytes;
    for (size_t b = first; b < last; ++b, p += kBytes) {
      announce(p);
      U8 codes[8];
      if constexpr (kFifthBits) {
        nibbles_of_block(p + 8 * kLanes, codes);
        add_fifth_bits(p + 4 * kLanes, codes, Eight{});
      } else {
        nibbles_of_block(p + 4 * kLanes, codes);
      }
      body(b, codes, F32::halves(p), F32::halves(p + 2 * kLanes));
    }
  }
};

template <>
struct Format<Type::Q4_1> : MinimumFormat<false> {};
template <>
struct Format<Type::Q5_1> : MinimumFormat<true> {};

// Q4_K and Q5_K.
template <bool kFifthBits>
struct SuperFormat {
  static constexpr bool kHalves = false, kMinimum = true;
  static constexpr int kMaxCode = kFifthBits ? 31 : 15;
  DTS_INLINE static int32_t start(const QBlock&) { return kBias; }

  // The 8 scales and 8 minimums, which count negative.
  DTS_INLINE static void scales(const uint8_t* p, F32 (&scale)[8], F32 (&minimum)[8]) {
    const F32 d = F32::halves(p);
    const F32 dmin = F32::halves(p + 2 * kLanes) * F32::splat(-1.f);
    const I32 w0 = I32::load(p + 4 * kLanes), w1 = I32::load(p + 8 * kLanes), w2 = I32::load(p + 12 * kLanes);
    DTS_UNROLL for (int i = 0; i < 5; ++i) scale[i] = d * F32::of(w0.bits(6 * i, 63));
    DTS_UNROLL for (int i = 0; i < 3; ++i) scale[5 + i] = d * F32::of(w1.bits(6 * i, 63));
    DTS_UNROLL for (int i = 0; i < 2; ++i) minimum[i] = dmin * F32::of(w1.bits(18 + 6 * i, 63));
    DTS_UNROLL for (int i = 0; i < 5; ++i) minimum[2 + i] = dmin * F32::of(w2.bits(6 * i, 63));
    minimum[7] = dmin * F32::of(w0.bits(30, 3) | w1.bits(28, 12) | w2.bits(26, 48));
  }

  template <class Body>
  DTS_INLINE static void walk(const uint8_t* p, size_t first, size_t last, Body&& body) {
    constexpr size_t kHigh = (kFifthBits ? 8 : 0) * kLanes;
    constexpr size_t kGroup = kHigh + 32 * kLanes;
    p += first / 8 * (16 * kLanes + 4 * kGroup);
    for (size_t b = first; b < last; b += 8) {
      F32 scale[8], minimum[8];
      scales(p, scale, minimum);
      p += 16 * kLanes;
      for (size_t s = 0; s < 8; s += 2, p += kGroup) {
        announce(p);
        U8 codes[8];
        nibbles_of_pair<false>(p + kHigh, codes);
        if constexpr (kFifthBits) add_fifth_bits(p, codes, Eight{});
        body(b + s, codes, scale[s], minimum[s]);
        nibbles_of_pair<true>(p + kHigh, codes);
        if constexpr (kFifthBits) add_fifth_bits(p + 4 * kLanes, codes, Eight{});
        body(b + s + 1, codes, scale[s + 1], minimum[s + 1]);
      }
    }
  }
};

template <>
struct Format<Type::Q4_K> : SuperFormat<false> {};
template <>
struct Format<Type::Q5_K> : SuperFormat<true> {};

template <>
struct Format<Type::Q6_K> {
  static constexpr bool kHalves = true, kMinimum = false;
  static constexpr int kMaxCode = 63;
  template <class Body>
  DTS_INLINE static void walk(const uint8_t* p, size_t first, size_t last, Body&& body) {
    constexpr size_t kGroup = 48 * kLanes, kBlock = 208 * kLanes;
    for (size_t b = first; b < last; b += 8) {
      const uint8_t* unit = p + b / 16 * 420 * kLanes;
      const uint8_t* scales = unit + 4 * kLanes + b / 8 % 2 * kBlock;
      const uint8_t* planes = scales + 16 * kLanes;
      const F32 d = F32::halves(unit + b / 8 % 2 * 2 * kLanes);
      for (size_t s = 0; s < 8; s += 2, planes += kGroup, scales += 4 * kLanes) {
        announce(planes);
        U8 codes[8];
        nibbles_of_pair<false>(planes + 16 * kLanes, codes);
        add_upper_bits(planes, codes, Eight{});
        body(b + s, codes, d * F32::of(I32::bytes(scales)), d * F32::of(I32::bytes(scales + kLanes)));
        nibbles_of_pair<true>(planes + 16 * kLanes, codes);
        add_upper_bits(planes + 8 * kLanes, codes, Eight{});
        body(b + s + 1, codes, d * F32::of(I32::bytes(scales + 2 * kLanes)), d * F32::of(I32::bytes(scales + 3 * kLanes)));
      }
    }
  }
};

template <>
struct Format<Type::IQ4_XS> {
  static constexpr bool kHalves = false, kMinimum = false;
  static constexpr int kMaxCode = 255;
  DTS_INLINE static int32_t start(const QBlock& x) { return start_of_bytes(x); }
  template <class Body>
  DTS_INLINE static void walk(const uint8_t* p, size_t first, size_t last, Body&& body) {
    p += first / 8 * 136 * kLanes;
    for (size_t b = first; b < last; b += 8) {
      const F32 d = F32::halves(p);
      const I32 upper = I32::halves(p + 2 * kLanes), lower = I32::load(p + 4 * kLanes);
      p += 8 * kLanes;
      F32 scale[8];
      DTS_UNROLL for (int s = 0; s < 8; ++s) {
        const I32 bits = lower.bits(4 * s, 15) | upper.bits(2 * s, 3).template shifted_left<4>();
        scale[s] = d * F32::of(bits + I32::splat(-32));
      }
      for (size_t s = 0; s < 8; ++s, p += 16 * kLanes) {
        announce(p);
        U8 codes[8];
        nibbles_of_block(p, codes);
        look_up(codes);
        body(b + s, codes, scale[s], F32::zero());
      }
    }
  }
};

}  // namespace dts::qgemm::DTS_TARGET
