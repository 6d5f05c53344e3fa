// Functions of vectors that every target builds from its own F32.
namespace dts::DTS_TARGET {

/**
 * e^x, within 2 ulp; 0 below -87.33, infinity above 88.72, NaN for NaN.
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series, whose first term left out is below 6e-9.
 */
inline F32 exp(F32 x) {
  const F32 lowest = F32::splat(-87.336544f), highest = F32::splat(88.722839f);
  const F32 bounded = max(lowest, min(highest, x));
  const F32 n = min(F32::splat(127.0f), round(mul(bounded, F32::splat(1.44269504f))));
  F32 r = fma(n, F32::splat(-0.693359375f), bounded);
  r = fma(n, F32::splat(2.12194440e-4f), r);
  F32 p = F32::splat(1.0f / 5040);
  p = fma(p, r, F32::splat(1.0f / 720));
  p = fma(p, r, F32::splat(1.0f / 120));
  p = fma(p, r, F32::splat(1.0f / 24));
  p = fma(p, r, F32::splat(1.0f / 6));
  p = fma(p, r, F32::splat(0.5f));
  p = fma(p, r, F32::splat(1.0f));
  p = fma(p, r, F32::splat(1.0f));
  const F32 inside = mul(p, pow2(n));
  const F32 upper = where_less(highest, x, F32::splat(std::numeric_limits<float>::infinity()), inside);
  return where_less(x, lowest, F32::zero(), upper);
}

/**
 * z / (1 + e^-z): the gate of every feed-forward block of the family. With h = e^(-|z| / 2) and e^z = h^2 for negative z,
 * so that nothing overflows and z e^z does not vanish before its time.
 */
inline F32 silu(F32 z) {
  const F32 minus = sub(F32::zero(), z), half = F32::splat(0.5f);
  const F32 h = exp(mul(half, min(z, minus)));
  const F32 numerator = where_less(z, F32::zero(), mul(mul(z, h), h), z);
  return div(numerator, fma(h, h, F32::splat(1.0f)));
}

/** out[i] = silu(gate[i]) * up[i] for i < n */
inline void swiglu_row(const float* gate, const float* up, size_t n, float* out) {
  size_t i = 0;
  for (; i + F32::lanes <= n; i += F32::lanes) mul(silu(F32::load(gate + i)), F32::load(up + i)).store(out + i);
  if (i < n) mul(silu(F32::load_n(gate + i, n - i)), F32::load_n(up + i, n - i)).store_n(out + i, n - i);
}

/** out[i] += scale * x[i] */
inline void add_scaled(const float* x, float scale, size_t n, float* out) {
  const F32 s = F32::splat(scale);
  size_t i = 0;
  for (; i + F32::lanes <= n; i += F32::lanes) fma(s, F32::load(x + i), F32::load(out + i)).store(out + i);
  if (i < n) fma(s, F32::load_n(x + i, n - i), F32::load_n(out + i, n - i)).store_n(out + i, n - i);
}

}  // namespace dts::DTS_TARGET
