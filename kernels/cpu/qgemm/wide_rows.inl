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

inline void pack_wide(const float* x, size_t ldx, size_t count, size_t cols, size_t lanes, int32_t* packed, float* steps) {
  const size_t blocks = cols / kColumnsPerBlock;
  std::memset(packed, 0, cols / 2 * lanes * sizeof(int32_t));
  std::memset(steps, 0, blocks * lanes * sizeof(float));
  for (size_t h = 0; h < count; ++h, x += ldx) {
    for (size_t b = 0; b < blocks; ++b) {
      const float* from = x + b * kColumnsPerBlock;
      const float most = std::bit_cast<float>(largest(from));
      const bool finite = most <= std::numeric_limits<float>::max(), any = finite && most >= 1e-30f;
      const float inverse = any ? kWideCode / most : 0;
      // NaN and infinity make the step NaN, and so what comes out of products.
      steps[b * lanes + h] = !finite ? std::numeric_limits<float>::quiet_NaN() : any ? most / kWideCode : 0;
      for (size_t c = 0; c < kColumnsPerBlock; c += 2) {
        const int32_t low = nearest(from[c] * inverse), high = nearest(from[c + 1] * inverse);
        packed[(b * kPairsPerBlock + wide_place(c) / 2) * lanes + h] = (low & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(high) << 16);
      }
    }
  }
}

// read_f16 for kBlocks of the blocks.
template <size_t kBlocks>
DTS_INLINE void read_blocks(const uint8_t* const* rows, size_t from, size_t n, int16_t* codes, size_t ldc, float* steps) {
  uint16_t most[kBlocks];
  largest_halves(rows, n, from, most);
  WideScale scales[kBlocks];
  DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) {
    scales[b] = WideScale(most[b]);
    steps[b] = scales[b].step;
  }
  for (size_t k = 0; k < n; ++k) {
    DTS_UNROLL for (size_t b = 0; b < kBlocks; ++b) {
      store_wide(rows[k] + from + 2 * b * kColumnsPerBlock, scales[b], codes + k * ldc + b * kColumnsPerBlock);
    }
  }
}

inline void read_f16(const uint8_t* const* rows, size_t n, size_t blocks, int16_t* codes, size_t ldc, float* steps) {
  size_t b = 0;
  const auto read = [&](auto count) {
    for (; b + count <= blocks; b += count) read_blocks<count>(rows, 2 * b * kColumnsPerBlock, n, codes + b * kColumnsPerBlock, ldc, steps + b);
  };
  // Two at a time: what is read of the rows stays in the nearest cache.
  read(std::integral_constant<size_t, 2>{});
  read(std::integral_constant<size_t, 1>{});
}

// A part of the rows that come next, to the second cache.
DTS_INLINE void fetch(const WideRows& x, size_t row, size_t block) {
  if (x.ahead && block >= x.ahead_from) __builtin_prefetch(x.ahead[row] + 2 * (block - x.ahead_from) * kColumnsPerBlock, 0, 2);
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
    if (panel == 0) {
      DTS_UNROLL for (size_t i = 0; i < N; ++i) fetch(x, first + i, b);
    }
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
      F32 sums = F32::zero(), peaks = F32::zero();
      for (size_t k = 0; k < n; ++k) {
        const F32 w = F32::load(weights + k * ldw + i);
        sums = sums + w;
        peaks = larger(peaks, w);
      }
      float sum[kLanes], most[kLanes], inverse[kLanes];
      sums.store(sum);
      peaks.store(most);
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
  const size_t pairs = (x.n + 1) / 2;
  for (size_t first = 0; first < count; first += kMixColumns) {
    const WideWeights w(weights + first, ldw, x.n);
    for (size_t b = 0; b < x.blocks; ++b) {
      I32 codes[kWidePairs][kMixVectors];
      const auto prepare = [&](size_t p) DTS_INLINE_LAMBDA {
        const int16_t* low = x.codes + 2 * p * x.stride + b * kColumnsPerBlock;
        interleave(low, 2 * p + 1 < x.n ? low + x.stride : low, codes[p]);
      };
      const auto ahead = [&](size_t row) DTS_INLINE_LAMBDA {
        if (first == 0) fetch(x, row, b);
      };
      const auto unit = [&](size_t i) DTS_INLINE_LAMBDA { return w.units[i] * x.steps[b]; };
      add_up(codes, w.factors, pairs, prepare, ahead, unit, onto, out + first * ldo + b * kColumnsPerBlock, ldo);
    }
  }
}

}  // namespace dts::qgemm::DTS_TARGET
