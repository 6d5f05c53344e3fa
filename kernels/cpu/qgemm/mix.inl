// Weighted sums of rows of int8 codes, of the kind that attention makes of cached values. The weights are rounded to 15 bits
// and the codes widened to 16, so that one instruction takes two rows at once; sums are exact in int32:
static_assert(dts::qgemm::kMixRows * 32767 * 127 < 0x7fffffff);

namespace dts::qgemm::DTS_TARGET {

inline void read_q8_0(const uint8_t* src, size_t blocks, QBlock* out) {
  constexpr size_t kStored = 34;
  for (; blocks > 0; --blocks, src += kStored, ++out) {
    out->d = half(src);
    std::memcpy(out->q, src + 2, sizeof out->q);
    int32_t sums[2];
    sum_codes(out->q, sums);
    complete(*out, sums);
  }
}

inline void mix(const float* weights, size_t ldw, size_t count, const QBlock* rows, size_t blocks, size_t n, float* out, size_t ldo) {
  constexpr size_t kVectors = kColumnsPerBlock / kLanes, kSide = 2, kTile = kMaxRows < 8 ? kMaxRows : 8;
  static_assert(kVectors % kSide == 0 && kMixColumns % kTile == 0 && kMixColumns % kLanes == 0);
  static constexpr QBlock kNone{};
  const size_t pairs = (n + 1) / 2;
  for (size_t b = 0; b < blocks; ++b) {
    const QBlock* row[kMixRows + 1];
    float most = 0;
    for (size_t k = 0; k < n; ++k) {
      row[k] = rows + k * blocks + b;
      most = row[k]->d > most ? row[k]->d : most;
    }
    row[n] = &kNone;
    if (!(most > 0)) continue;
    I32 codes[kMixRows / 2][kVectors];
    for (size_t p = 0; p < pairs; ++p) {
      DTS_UNROLL for (size_t v = 0; v < kVectors; ++v) {
        codes[p][v] = I32::pairs(row[2 * p]->q + v * kLanes, row[2 * p + 1]->q + v * kLanes);
      }
    }
    const F32 unit = F32::splat(most / 32767);
    for (size_t first = 0; first < count; first += kMixColumns) {
      int32_t factors[kMixRows / 2][kMixColumns];
      for (size_t p = 0; p < pairs; ++p) {
        const float* from = weights + 2 * p * ldw + first;
        const F32 low = F32::splat(row[2 * p]->d * (32767 / most)), high = F32::splat(row[2 * p + 1]->d * (32767 / most));
        for (size_t i = 0; i < kMixColumns; i += kLanes, from += kLanes) {
          I32 both = (F32::load(from) * low).rounded();
          if (2 * p + 1 < n) both = both | (F32::load(from + ldw) * high).rounded().template shifted_left<16>();
          std::memcpy(factors[p] + i, &both, sizeof both);
        }
      }
      for (size_t i = 0; i < kMixColumns; i += kTile) {
        for (size_t v = 0; v < kVectors; v += kSide) {
          I32 sums[kTile][kSide];
          DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
            DTS_UNROLL for (size_t s = 0; s < kSide; ++s) sums[t][s] = I32::splat(0);
          }
          for (size_t p = 0; p < pairs; ++p) {
            DTS_UNROLL for (size_t s = 0; s < kSide; ++s) {
              DTS_UNROLL for (size_t t = 0; t < kTile; ++t) add_pairs(sums[t][s], codes[p][v + s], factors[p] + i + t);
            }
          }
          DTS_UNROLL for (size_t t = 0; t < kTile; ++t) {
            DTS_UNROLL for (size_t s = 0; s < kSide; ++s) {
              float* to = out + (first + i + t) * ldo + b * kColumnsPerBlock + (v + s) * kLanes;
              fma(F32::of(sums[t][s]), unit, F32::load(to)).store(to);
            }
          }
        }
      }
    }
  }
}

}  // namespace dts::qgemm::DTS_TARGET
