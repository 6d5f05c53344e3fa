// Weighted least squares of a few values: the scale (and offset) whose best codes leave the smallest error sum w (x - value)^2.
// For given codes the best scale is a quotient of two sums, and for a given scale the best codes are the nearest ones. So:
// try scales that put the largest value at several codes, improve the best by turns, and keep what was best of all.
// Sums are kept in the eight lanes of a vector and nothing is fused: the results are the same on every target.
namespace dts::DTS_TARGET {

constexpr int kLanes = 8;
static_assert(F32::lanes == kLanes);

inline float sum_lanes(F32 sums) {
  float v[kLanes];
  sums.store(v);
  return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

/** To nearest, ties to even, for |x| < 2^22. */
inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }
inline F32 nearest(F32 x) { return sub(add(x, F32::splat(12582912.0f)), F32::splat(12582912.0f)); }

/** Codes lo..hi that stand for themselves. */
struct Integers {
  float lo, hi;
  float operator()(float x) const {
    // Clamped first: `nearest` is for small numbers only.
    const float low = x < lo ? lo : x;
    return nearest(low > hi ? hi : low);
  }
  F32 operator()(F32 x) const { return nearest(min(max(x, F32::splat(lo)), F32::splat(hi))); }
};

/** The sixteen levels of the IQ4 types; from one to the next at the middle between both. */
struct Iq4Level {
  F32 operator()(F32 x) const {
    F32 level = F32::splat(kIq4Levels[0]);
    for (int k = 0; k < 15; ++k) {
      const F32 middle = F32::splat(0.5f * static_cast<float>(kIq4Levels[k] + kIq4Levels[k + 1]));
      const F32 step = F32::splat(static_cast<float>(kIq4Levels[k + 1] - kIq4Levels[k]));
      level = add(level, where_less(middle, x, step, F32::zero()));
    }
    return level;
  }
};

inline float largest_magnitude(const float* x, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

/** x ~ scale * code; `gain` is how much of sum w x^2 the codes explain. */
struct ScaleFit {
  float scale = 0, gain = 0;
};

/** The best scale for the codes that `inverse` gives. */
template <class Codes>
inline ScaleFit scale_for(const float* x, const float* w, int n, float inverse, const Codes& codes) {
  F32 xq = F32::zero(), qq = F32::zero();
  for (int i = 0; i < n; i += kLanes) {
    const F32 xs = F32::load(x + i);
    const F32 q = codes(mul(xs, F32::splat(inverse)));
    const F32 wq = mul(F32::load(w + i), q);
    xq = add(xq, mul(wq, xs));
    qq = add(qq, mul(wq, q));
  }
  const float top = sum_lanes(xq), bottom = sum_lanes(qq);
  if (!(bottom > 0)) return {};
  return {top / bottom, top * top / bottom};
}

/** Where the largest magnitude may fall among the codes: `steps` places from `from` to `to`, and as many of the other sign. */
struct Places {
  float from, to;
  int steps;
};

template <class Codes>
inline ScaleFit fit_scale(const float* x, const float* w, int n, const Codes& codes, const Places& places) {
  const float largest = largest_magnitude(x, n);
  if (largest < 1e-30f) return {};
  ScaleFit best;
  for (int side = -1; side <= 1; side += 2) {
    for (int step = 0; step < places.steps; ++step) {
      const float part = static_cast<float>(step) / static_cast<float>(places.steps - 1);
      const float place = places.from + (places.to - places.from) * part;
      const ScaleFit fit = scale_for(x, w, n, static_cast<float>(side) * place / largest, codes);
      if (fit.gain > best.gain) best = fit;
    }
  }
  for (int turn = 0; turn < 4 && best.scale != 0; ++turn) {
    const ScaleFit fit = scale_for(x, w, n, 1 / best.scale, codes);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best;
}

/** sum w (x - scale code - offset)^2 with the nearest codes. */
template <class Codes>
inline float error_of(const float* x, const float* w, int n, float scale, float offset, const Codes& codes) {
  const float inverse = scale == 0 ? 0 : 1 / scale;
  F32 sums = F32::zero();
  for (int i = 0; i < n; i += kLanes) {
    const F32 left = sub(F32::load(x + i), F32::splat(offset));
    const F32 gap = sub(left, mul(F32::splat(scale), codes(mul(left, F32::splat(inverse)))));
    sums = add(sums, mul(mul(F32::load(w + i), gap), gap));
  }
  return sum_lanes(sums);
}

/** x ~ scale * code + offset. */
struct LineFit {
  float scale = 0, offset = 0, error = std::numeric_limits<float>::infinity();
};

/** What the offset of a line may be. */
enum class Offset { any, notPositive };

/** Sums over weights, values and the codes that a line gives. */
struct LineSums {
  float w, x, q, qq, xq;
};

inline LineSums line_sums(const float* x, const float* w, int n, float inverse, float offset, const Integers& codes) {
  F32 sw = F32::zero(), sx = sw, sq = sw, sqq = sw, sxq = sw;
  for (int i = 0; i < n; i += kLanes) {
    const F32 xs = F32::load(x + i), ws = F32::load(w + i);
    const F32 q = codes(mul(sub(xs, F32::splat(offset)), F32::splat(inverse)));
    const F32 wq = mul(ws, q);
    sw = add(sw, ws);
    sx = add(sx, mul(ws, xs));
    sq = add(sq, wq);
    sqq = add(sqq, mul(wq, q));
    sxq = add(sxq, mul(wq, xs));
  }
  return {sum_lanes(sw), sum_lanes(sx), sum_lanes(sq), sum_lanes(sqq), sum_lanes(sxq)};
}

/** The best line for the codes that a line gives. */
inline LineFit line_for(const float* x, const float* w, int n, float inverse, float offset, float hi, Offset allowed) {
  const Integers codes{0, hi};
  const auto [W, X, Q, QQ, XQ] = line_sums(x, w, n, inverse, offset, codes);
  const float determinant = W * QQ - Q * Q;
  LineFit fit;
  if (determinant > 1e-6f * W * QQ) {
    fit.scale = (W * XQ - Q * X) / determinant;
    fit.offset = (QQ * X - Q * XQ) / determinant;
  }
  if (!(fit.scale > 0) || (allowed == Offset::notPositive && fit.offset > 0)) {
    fit.offset = allowed == Offset::notPositive ? std::min(X / W, 0.0f) : X / W;
    fit.scale = 0;
    if (allowed == Offset::notPositive && QQ > 0 && XQ > 0) fit = {XQ / QQ, 0, 0};
  }
  fit.error = error_of(x, w, n, fit.scale, fit.offset, codes);
  return fit;
}

/** @param steps how many scales are tried, from one that lets the codes span the values and more, to one that cuts the ends off */
inline LineFit fit_line(const float* x, const float* w, int n, float hi, Offset allowed, int steps) {
  float low = x[0], high = x[0];
  for (int i = 1; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (allowed == Offset::notPositive) low = std::min(low, 0.0f);
  LineFit best;
  best.offset = allowed == Offset::notPositive ? std::min(high, 0.0f) : high;
  if (high - low < 1e-30f) {
    best.error = 0;
    return best;
  }
  for (int step = 0; step < steps; ++step) {
    const float place = hi - 0.5f + 0.25f * hi * static_cast<float>(step) / static_cast<float>(steps - 1) * (hi < 8 ? 2.0f : 1.0f);
    const LineFit fit = line_for(x, w, n, place / (high - low), low, hi, allowed);
    if (fit.error < best.error) best = fit;
  }
  for (int turn = 0; turn < 4 && best.scale > 0; ++turn) {
    const LineFit fit = line_for(x, w, n, 1 / best.scale, best.offset, hi, allowed);
    if (!(fit.error < best.error)) break;
    best = fit;
  }
  return best;
}

}  // namespace dts::DTS_TARGET
