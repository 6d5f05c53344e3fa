// Both products with rows of Q8_0 blocks that stay where they lie: dot products with them, and their weighted sums. For the sums the
// weights are rounded to 15 bits and the codes widened to 16, so that one instruction takes two rows at once; they are exact in int32:
static_assert(dts::qgemm::kStoredRows * 32767 * 127 < 0x7fffffff);

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kStoredBytes = 34;

DTS_INLINE const int8_t* stored_codes(const uint8_t* row, size_t block) {
  return reinterpret_cast<const int8_t*>(row + block * kStoredBytes + 2);
}

inline void read_q8_0(const uint8_t* const* rows, size_t n, size_t blocks, float* d, int32_t* start) {
  constexpr size_t kGroup = 16;
  static_assert(kStoredRows % kGroup == 0 && kGroup % kLanes == 0);
  for (size_t first = 0; first < n; first += kGroup) {
    const uint8_t* group[kGroup];
    for (size_t k = 0; k < kGroup; ++k) group[k] = rows[first + k < n ? first + k : n - 1];
    for (size_t b = 0; b < blocks; ++b) {
      const size_t to = b * kStoredRows + first;
      uint16_t halves[kGroup];
      DTS_UNROLL for (size_t k = 0; k < kGroup; ++k) std::memcpy(halves + k, group[k] + b * kStoredBytes, 2);
      for (size_t k = 0; k < kGroup; k += kLanes) F32::halves(reinterpret_cast<const uint8_t*>(halves + k)).store(d + to + k);
      if constexpr (!kSigned8) {
        for (size_t k = 0; k < kGroup; k += 4) {
          const int8_t* q[4];
          DTS_UNROLL for (size_t i = 0; i < 4; ++i) q[i] = stored_codes(group[k + i], b);
          sum_codes(q, start + to + k);
        }
      }
    }
  }
  for (size_t b = 0; b < blocks; ++b, d += kStoredRows, start += kStoredRows) {
    for (size_t k = 0; k < n; ++k) start[k] = kSigned8 ? kBias : kBias - 128 * start[k];
    std::memset(d + n, 0, (kStoredRows - n) * sizeof(float));
  }
}

// As tile(), for N rows from `first`.
template <size_t N>
void stored_tile(const uint8_t* panel, const StoredRows& x, size_t first, float* out, size_t ldo) {
  constexpr size_t kSide = N < kChains ? N : kChains;
  using Fmt = Format<Type::Q8_0>;
  const uint8_t* const* rows = x.rows + first;
  F32 acc[N];
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i] = F32::zero();
  Fmt::walk(panel, 0, x.blocks, [&](size_t b, const U8(&codes)[8], F32 scale, F32) DTS_INLINE_LAMBDA {
    const F32 shift = shift_of(scale);
    const float* d = x.d + b * kStoredRows + first;
    const int32_t* start = x.start + b * kStoredRows + first;
    DTS_OPAQUE(b);
    DTS_UNROLL for (size_t i = 0; i < N; i += kSide) {
      const int8_t* q[kSide];
      I32 dot[kSide];
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        q[n] = stored_codes(rows[i + n], b);
        dot[n] = I32::splat(start[i + n]);
      }
      dots<Fmt::kMaxCode, 0, 8>(dot, codes, q);
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) acc[i + n] = fma(scaled(dot[n], scale, shift), F32::splat(d[i + n]), acc[i + n]);
    }
  });
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i].store(out + i * ldo);
}

inline void stored_gemm(const Matrix& w, const StoredRows& x, float* out, size_t ldo) {
  const size_t panel_bytes = packed_row_bytes(geometry(Type::Q8_0), w.cols) * kLanes;
  for (size_t row = 0; row < w.rows; row += kLanes) {
    const uint8_t* panel = w.packed + row / kLanes * panel_bytes;
    for_tiles(0, x.n, [&](size_t i, auto size) { stored_tile<size>(panel, x, i, out + i * ldo + row, ldo); });
  }
}

// The largest of kStoredRows steps.
DTS_INLINE float largest_of(const float* d) {
  float some[16], most = 0;
  for (size_t i = 0; i < 16; ++i) some[i] = d[i];
  for (size_t k = 16; k < kStoredRows; k += 16) {
    for (size_t i = 0; i < 16; ++i) some[i] = d[k + i] > some[i] ? d[k + i] : some[i];
  }
  for (const float one : some) most = one > most ? one : most;
  return most;
}

inline constexpr size_t kMixVectors = kColumnsPerBlock / kLanes, kPairs = kStoredRows / 2;

// to[i * ldo + column] = (onto ? the same : 0) + unit(i) · Σ_p codes[p] · factors[p][i], for kMixColumns sums of one block of columns.
// prepare(p) writes codes[p], and factors[p] where they depend on the block, just before their first use; ahead(row) is called
// for all 2 · pairs rows now and then.
template <size_t P, class Prepare, class Ahead, class Unit>
DTS_INLINE void add_up(const I32 (&codes)[P][kMixVectors], const int32_t (&factors)[P][kMixColumns], size_t pairs, const Prepare& prepare,
                       const Ahead& ahead, const Unit& unit, bool onto, float* to, size_t ldo) {
  constexpr size_t kSide = 2, kTile = kMaxRows < 8 ? kMaxRows : 8, kTiles = kMixColumns / kTile, kSides = kMixVectors / kSide;
  static_assert(kMixVectors % kSide == 0 && kMixColumns % kTile == 0 && kTiles > 1);
  const auto add = [&](size_t i, size_t v, const auto& before) DTS_INLINE_LAMBDA {
    I32 sums[kTile][kSide];
    DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
      DTS_UNROLL for (size_t s = 0; s < kSide; ++s) sums[t][s] = I32::splat(0);
    }
    for (size_t p = 0; p < pairs; ++p) {
      before(p);
      DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
        DTS_UNROLL for (size_t s = 0; s < kSide; ++s) add_pairs(sums[t][s], codes[p][v + s], &factors[p][i + t]);
      }
    }
    DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
      const F32 scale = F32::splat(unit(i + t));
      DTS_UNROLL for (size_t s = 0; s < kSide; ++s) {
        float* at = to + (i + t) * ldo + (v + s) * kLanes;
        fma(F32::of(sums[t][s]), scale, onto ? F32::load(at) : F32::zero()).store(at);
      }
    }
  };
  // The first tile prepares what all read; it and the second fetch.
  constexpr size_t kLead = 4;
  for (size_t p = 0; p < kLead && p < pairs; ++p) prepare(p);
  add(0, 0, [&](size_t p) DTS_INLINE_LAMBDA {
    if (p + kLead < pairs) prepare(p + kLead);
    ahead(2 * p);
  });
  add(kTile, 0, [&](size_t p) DTS_INLINE_LAMBDA { ahead(2 * p + 1); });
  for (size_t tile = 2; tile < kTiles * kSides; ++tile) {
    add(tile % kTiles * kTile, tile / kTiles * kSide, [](size_t) DTS_INLINE_LAMBDA {});
  }
}

inline void mix(const float* weights, size_t ldw, size_t count, const StoredRows& x, bool onto, float* out, size_t ldo) {
  // As add_pairs takes them: two rows side by side.
  I32 codes[kPairs][kMixVectors];
  int32_t factors[kPairs][kMixColumns];
  for (size_t b = 0; b < x.blocks; ++b) {
    const float* d = x.d + b * kStoredRows;
    const float most = largest_of(d), inverse = most > 0 ? 32767 / most : 0;
    float ratios[kStoredRows];
    for (size_t k = 0; k < kStoredRows; ++k) ratios[k] = d[k] * inverse;
    for (size_t first = 0; first < count; first += kMixColumns) {
      const auto prepare = [&](size_t p) DTS_INLINE_LAMBDA {
        const size_t k = 2 * p, other = k + 1 < x.n ? k + 1 : k;
        pairs(stored_codes(x.rows[k], b), stored_codes(x.rows[other], b), codes[p]);
        const F32 low = F32::splat(ratios[k]), high = F32::splat(ratios[k + 1]);
        DTS_UNROLL for (size_t i = 0; i < kMixColumns; i += kLanes) {
          const I32 one = (F32::load(weights + k * ldw + first + i) * low).rounded();
          const I32 two = (F32::load(weights + other * ldw + first + i) * high).rounded();
          (one | two.template shifted_left<16>()).store(factors[p] + i);
        }
      };
      const auto ahead = [&](size_t row) DTS_INLINE_LAMBDA {
        if (x.ahead && first == 0) __builtin_prefetch(x.ahead[row] + b * kStoredBytes, 0, 2);
      };
      const auto unit = [&](size_t) DTS_INLINE_LAMBDA { return most / 32767; };
      add_up(codes, factors, (x.n + 1) / 2, prepare, ahead, unit, onto, out + first * ldo + b * kColumnsPerBlock, ldo);
    }
  }
}

}  // namespace dts::qgemm::DTS_TARGET
