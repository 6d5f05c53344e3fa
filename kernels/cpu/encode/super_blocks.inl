// The types whose 256 values share one scale d, which multiplies small whole numbers: the scales of the sub-blocks.
// First each sub-block is fitted alone, then its scale is rounded with d in mind, then all is fitted again together.
namespace dts::DTS_TARGET {

/** A super-block without minima: w = d scale[s] code. `Sub` values share a scale of lo..hi. */
template <int Sub>
struct ScaledBlock {
  static constexpr int kSubs = 256 / Sub;
  float d = 0;
  int scale[kSubs] = {};
};

/** d that fits codes and whole scales best, by least squares. */
template <int Sub, class Codes>
inline float refit(const float* x, const float* w, const ScaledBlock<Sub>& block, const Codes& codes) {
  float top = 0, bottom = 0;
  for (int s = 0; s < block.kSubs; ++s) {
    const float scale = static_cast<float>(block.scale[s]);
    if (scale == 0 || block.d == 0) continue;
    const float inverse = 1 / (block.d * scale);
    F32 xq = F32::zero(), qq = F32::zero();
    for (int i = s * Sub; i < (s + 1) * Sub; i += kLanes) {
      const F32 xs = F32::load(x + i);
      const F32 q = mul(F32::splat(scale), codes(mul(xs, F32::splat(inverse))));
      const F32 wq = mul(F32::load(w + i), q);
      xq = add(xq, mul(wq, xs));
      qq = add(qq, mul(wq, q));
    }
    top += sum_lanes(xq);
    bottom += sum_lanes(qq);
  }
  return bottom > 0 ? top / bottom : block.d;
}

/** Takes for each sub-block the whole scale, near the given one, with the smallest error. @returns the error of all */
template <int Sub, class Codes>
inline float round_scales(const float* x, const float* w, const float* wanted, float lo, float hi, const Codes& codes,
                          ScaledBlock<Sub>& block) {
  float total = 0;
  const Integers whole{lo, hi};
  for (int s = 0; s < block.kSubs; ++s) {
    const float center = block.d == 0 ? 0 : whole(wanted[s] / block.d);
    float best = std::numeric_limits<float>::infinity();
    for (float scale = std::max(lo, center - 1); scale <= std::min(hi, center + 1); ++scale) {
      const float error = error_of(x + s * Sub, w + s * Sub, Sub, block.d * scale, 0, codes);
      if (error < best) {
        best = error;
        block.scale[s] = static_cast<int>(scale);
      }
    }
    total += best;
  }
  return total;
}

/** @param lo, hi the whole scales; the largest one is tried at each end, and a little inside of `lo` */
template <int Sub, class Codes>
inline ScaledBlock<Sub> fit_block(const float* x, const float* w, float lo, float hi, const Codes& codes, const Places& places) {
  float wanted[ScaledBlock<Sub>::kSubs];
  float widest = 0;
  for (int s = 0; s < ScaledBlock<Sub>::kSubs; ++s) {
    wanted[s] = fit_scale(x + s * Sub, w + s * Sub, Sub, codes, places).scale;
    if (std::fabs(wanted[s]) > std::fabs(widest)) widest = wanted[s];
  }
  ScaledBlock<Sub> best;
  if (widest == 0) return best;
  float least = std::numeric_limits<float>::infinity();
  for (const float place : {lo, lo * 0.96f, lo * 0.92f, hi}) {
    ScaledBlock<Sub> block;
    block.d = as_f16(widest / place);
    if (block.d == 0) continue;
    for (int turn = 0; turn < 3; ++turn) {
      const float error = round_scales(x, w, wanted, lo, hi, codes, block);
      if (error < least) {
        least = error;
        best = block;
      } else if (turn > 0) {
        break;
      }
      block.d = as_f16(refit(x, w, block, codes));
      if (block.d == 0) break;
    }
  }
  return best;
}

/** A super-block with minima: w = d scale[s] code - dmin min[s], both whole numbers of 0..hi. */
template <int Sub>
struct LinedBlock {
  static constexpr int kSubs = 256 / Sub;
  float d = 0, dmin = 0;
  int scale[kSubs] = {}, min[kSubs] = {};
};

/** d and dmin that fit codes and whole numbers best, by least squares of two unknowns. */
template <int Sub>
inline void refit(const float* x, const float* w, LinedBlock<Sub>& block, const Integers& codes) {
  float aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
  for (int s = 0; s < block.kSubs; ++s) {
    const float scale = static_cast<float>(block.scale[s]), min = static_cast<float>(block.min[s]);
    const float step = block.d * scale, offset = -block.dmin * min;
    const float inverse = step == 0 ? 0 : 1 / step;
    const LineSums sums = line_sums(x + s * Sub, w + s * Sub, Sub, inverse, offset, codes);
    aa += scale * scale * sums.qq;
    ab -= scale * min * sums.q;
    bb += min * min * sums.w;
    xa += scale * sums.xq;
    xb -= min * sums.x;
  }
  const float determinant = aa * bb - ab * ab;
  if (determinant > 1e-6f * aa * bb) {
    block.d = as_f16((bb * xa - ab * xb) / determinant);
    block.dmin = as_f16((aa * xb - ab * xa) / determinant);
  } else if (aa > 0) {
    block.d = as_f16(xa / aa);
  }
}

/** As round_scales, over both whole numbers. */
template <int Sub>
inline float round_lines(const float* x, const float* w, const LineFit* wanted, float hi, const Integers& codes,
                         LinedBlock<Sub>& block) {
  float total = 0;
  const Integers whole{0, hi};
  for (int s = 0; s < block.kSubs; ++s) {
    const float scale_center = block.d == 0 ? 0 : whole(wanted[s].scale / block.d);
    const float min_center = block.dmin == 0 ? 0 : whole(-wanted[s].offset / block.dmin);
    float best = std::numeric_limits<float>::infinity();
    for (float scale = std::max(0.0f, scale_center - 1); scale <= std::min(hi, scale_center + 1); ++scale) {
      for (float min = std::max(0.0f, min_center - 1); min <= std::min(hi, min_center + 1); ++min) {
        const float error = error_of(x + s * Sub, w + s * Sub, Sub, block.d * scale, -block.dmin * min, codes);
        if (error < best) {
          best = error;
          block.scale[s] = static_cast<int>(scale);
          block.min[s] = static_cast<int>(min);
        }
      }
    }
    total += best;
  }
  return total;
}

template <int Sub>
inline LinedBlock<Sub> fit_lined_block(const float* x, const float* w, float hi, const Integers& codes) {
  LineFit wanted[LinedBlock<Sub>::kSubs];
  float widest = 0, deepest = 0;
  for (int s = 0; s < LinedBlock<Sub>::kSubs; ++s) {
    wanted[s] = fit_line(x + s * Sub, w + s * Sub, Sub, codes.hi, Offset::notPositive, 12);
    widest = std::max(widest, wanted[s].scale);
    deepest = std::max(deepest, -wanted[s].offset);
  }
  LinedBlock<Sub> best, block;
  block.d = as_f16(widest / hi);
  block.dmin = as_f16(deepest / hi);
  float least = std::numeric_limits<float>::infinity();
  for (int turn = 0; turn < 3; ++turn) {
    const float error = round_lines(x, w, wanted, hi, codes, block);
    if (!(error < least)) break;
    least = error;
    best = block;
    refit(x, w, block, codes);
    if (!(block.d >= 0) || !(block.dmin >= 0)) break;
  }
  return best;
}

}  // namespace dts::DTS_TARGET
