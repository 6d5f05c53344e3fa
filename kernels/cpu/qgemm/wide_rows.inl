// Products with rows of f16 as integers of 14 bits, for targets where an instruction adds up more products of int16 than of f32: dot
// products with them, and their weighted sums. All rows have one step for each block of columns, so that it leaves the inner loops.
static_assert(dts::qgemm::DTS_TARGET::kLanes == 16);
static_assert(32 * dts::qgemm::kWideCode * dts::qgemm::kWideCode <= 0x7fffffff);

namespace dts::qgemm::DTS_TARGET {

inline constexpr size_t kPairsPerBlock = kColumnsPerBlock / 2, kWidePairs = kWideRows / 2;
// Sums of the rounded weights are at most this, and products with codes below 2^31.
inline constexpr float kWideWeights = 262000.f;
static_assert((262000 + kWideRows / 2) * int64_t{kWideCode} <= 0x7fffffff);

DTS_INLINE int32_t nearest(float x) { return std::bit_cast<int32_t>(x + 12582912.f) - 0x4b400000; }

// NaN and infinity make the step NaN, and so what comes out of products.
DTS_INLINE float wide_step(float most, float& inverse) {
  const bool finite = most <= std::numeric_limits<float>::max();
  inverse = finite && most >= 1e-30f ? kWideCode / most : 0;
  return !finite ? std::numeric_limits<float>::quiet_NaN() : most >= 1e-30f ? most / kWideCode : 0;
}

inline void pack_wide(const float* x, size_t ldx, size_t count, size_t cols, size_t lanes, int32_t* packed, float* steps) {
  const size_t blocks = cols / kColumnsPerBlock;
  std::memset(packed, 0, cols / 2 * lanes * sizeof(int32_t));
  std::memset(steps, 0, blocks * lanes * sizeof(float));
  for (size_t h = 0; h < count; ++h, x += ldx) {
    for (size_t b = 0; b < blocks; ++b) {
      const float* from = x + b * kColumnsPerBlock;
      float inverse;
      steps[b * lanes + h] = wide_step(std::bit_cast<float>(largest(from)), inverse);
      for (size_t c = 0; c < kColumnsPerBlock; c += 2) {
        const int32_t low = nearest(from[c] * inverse), high = nearest(from[c + 1] * inverse);
        packed[(b * kPairsPerBlock + wide_place(c) / 2) * lanes + h] = (low & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(high) << 16);
      }
    }
  }
}

// read_f16 for kBlocks of the blocks: a few at a time, so that what is read of the rows stays in the nearest cache.
template <size_t kBlocks>
DTS_INLINE void read_blocks(const uint8_t* const* rows, size_t from, size_t n, int16_t* codes, size_t ldc, float* steps) {
  uint16_t most[kBlocks];
  largest_halves(rows, n, from, most);
  float inverse[kBlocks];
  for (size_t b = 0; b < kBlocks; ++b) {
    uint8_t bytes[2];
    std::memcpy(bytes, most + b, 2);
    steps[b] = wide_step(half(bytes), inverse[b]);
  }
  for (size_t k = 0; k < n; ++k) {
    DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) {
      const uint8_t* at = rows[k] + from + 2 * b * kColumnsPerBlock;
      const F32 scale = F32::splat(inverse[b]);
      store_wide((F32::halves(at) * scale).rounded(), (F32::halves(at + 2 * kLanes) * scale).rounded(), codes + k * ldc + b * kColumnsPerBlock);
    }
  }
}

inline void read_f16(const uint8_t* const* rows, size_t n, size_t blocks, int16_t* codes, size_t ldc, float* steps) {
  size_t b = 0;
  const auto read = [&](auto count) {
    for (; b + count <= blocks; b += count) read_blocks<count>(rows, 2 * b * kColumnsPerBlock, n, codes + b * kColumnsPerBlock, ldc, steps + b);
  };
  read(std::integral_constant<size_t, 8>{});
  read(std::integral_constant<size_t, 1>{});
}

// N rows from `first` with one panel of queries.
template <size_t N>
void wide_tile(const WideQueries& q, size_t panel, const WideRows& x, size_t first, float* out, size_t ldo) {
  constexpr size_t kSide = N < kChains ? N : kChains;
  F32 acc[N];
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i] = F32::zero();
  for (size_t b = 0; b < x.blocks; ++b) {
    const F32 scale = F32::load(q.steps + b * q.lanes + panel) * F32::splat(x.steps[b]);
    const int32_t* queries = q.packed + b * kPairsPerBlock * q.lanes + panel;
    const int16_t* codes = x.codes + first * x.stride + b * kColumnsPerBlock;
    DTS_UNROLL for (size_t i = 0; i < N; i += kSide) {
      I32 dot[kSide];
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) dot[n] = I32::splat(0);
      for (size_t j = 0; j < kPairsPerBlock; ++j) {
        const I32 pair = I32::load(reinterpret_cast<const uint8_t*>(queries + j * q.lanes));
        DTS_UNROLL for (size_t n = 0; n < kSide; ++n) add_stored_pair(dot[n], pair, codes + (i + n) * x.stride + 2 * j);
      }
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) acc[i + n] = fma(F32::of(dot[n]), scale, acc[i + n]);
    }
  }
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i].store(out + i * ldo + panel);
}

inline void wide_gemm(const WideQueries& q, const WideRows& x, float* out, size_t ldo) {
  for (size_t panel = 0; panel < q.lanes; panel += kLanes) {
    for_tiles(0, x.n, [&](size_t i, auto size) { wide_tile<size>(q, panel, x, i, out + i * ldo, ldo); });
  }
}

// Weights of kMixColumns sums as integers, two rows side by side.
struct WideWeights {
  int32_t factors[kWidePairs][kMixColumns];
  float units[kMixColumns];

  WideWeights(const float* weights, size_t ldw, size_t n) {
    for (size_t i = 0; i < kMixColumns; i += kLanes) {
      float sum[kLanes] = {}, most[kLanes] = {}, inverse[kLanes];
      for (size_t k = 0; k < n; ++k) {
        for (size_t l = 0; l < kLanes; ++l) {
          const float w = weights[k * ldw + i + l];
          sum[l] += w;
          most[l] = w > most[l] ? w : most[l];
        }
      }
      for (size_t l = 0; l < kLanes; ++l) {
        const float unit = sum[l] / kWideWeights > most[l] / 32767 ? sum[l] / kWideWeights : most[l] / 32767;
        units[i + l] = unit;
        inverse[l] = unit > 1e-30f ? 1 / unit : 0;
      }
      const F32 scale = F32::load(inverse);
      for (size_t k = 0; k < n; k += 2) {
        I32 both = (F32::load(weights + k * ldw + i) * scale).rounded();
        if (k + 1 < n) both = both | (F32::load(weights + (k + 1) * ldw + i) * scale).rounded().template shifted_left<16>();
        both.store(factors[k / 2] + i);
      }
    }
  }
};

inline void wide_mix(const float* weights, size_t ldw, size_t count, const WideRows& x, bool onto, float* out, size_t ldo) {
  constexpr size_t kSide = 2, kTile = kMaxRows < 8 ? kMaxRows : 8;
  static_assert(kMixVectors % kSide == 0 && kMixColumns % kTile == 0);
  const size_t pairs = (x.n + 1) / 2;
  I32 codes[2][kWidePairs][kMixVectors];
  const auto fill = [&](size_t b, size_t p) DTS_INLINE_LAMBDA {
    const int16_t* low = x.codes + 2 * p * x.stride + b * kColumnsPerBlock;
    const int16_t* high = 2 * p + 1 < x.n ? low + x.stride : low;
    if (x.ahead) {
      __builtin_prefetch(x.ahead[2 * p] + 2 * b * kColumnsPerBlock, 0, 2);
      __builtin_prefetch(x.ahead[2 * p + 1] + 2 * b * kColumnsPerBlock, 0, 2);
    }
    interleave(low, high, codes[b % 2][p]);
  };
  for (size_t first = 0; first < count; first += kMixColumns) {
    const WideWeights w(weights + first, ldw, x.n);
    for (size_t p = 0; p < pairs; ++p) fill(0, p);
    for (size_t b = 0; b < x.blocks; ++b) {
      const I32(&now)[kWidePairs][kMixVectors] = codes[b % 2];
      bool next = b + 1 < x.blocks;
      for (size_t i = 0; i < kMixColumns; i += kTile) {
        for (size_t v = 0; v < kMixVectors; v += kSide) {
          I32 sums[kTile][kSide];
          DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
            DTS_UNROLL for (size_t s = 0; s < kSide; ++s) sums[t][s] = I32::splat(0);
          }
          const auto add = [&](size_t p) DTS_INLINE_LAMBDA {
            DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
              const I32 factor = I32::splat(w.factors[p][i + t]);
              DTS_UNROLL for (size_t s = 0; s < kSide; ++s) add_pairs(sums[t][s], now[p][v + s], factor);
            }
          };
          if (next) {
            for (size_t p = 0; p < pairs; ++p) {
              add(p);
              fill(b + 1, p);
            }
            next = false;
          } else {
            for (size_t p = 0; p < pairs; ++p) add(p);
          }
          DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
            const F32 unit = F32::splat(w.units[i + t] * x.steps[b]);
            DTS_UNROLL for (size_t s = 0; s < kSide; ++s) {
              float* at = out + (first + i + t) * ldo + b * kColumnsPerBlock + (v + s) * kLanes;
              fma(F32::of(sums[t][s]), unit, onto ? F32::load(at) : F32::zero()).store(at);
            }
          }
        }
      }
    }
  }
}

}  // namespace dts::qgemm::DTS_TARGET
