// What a core of this machine can reach at best: loops with nothing but multiply-adds, or nothing but loads.
namespace dts::DTS_TARGET {

/** Independent sums, enough to hide the latency of a multiply-add on two units, few enough to stay in registers. */
constexpr size_t kChains = 12;

/** @returns operations done, two a lane and multiply-add. @param values two floats; gets a result, so that it is computed */
inline double multiply_adds(size_t rounds, float* values) {
  F32 sums[kChains];
  const F32 a = F32::splat(values[0]), b = F32::splat(values[1]);
#pragma GCC unroll 12
  for (size_t i = 0; i < kChains; ++i) sums[i] = b;
  for (size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (size_t i = 0; i < kChains; ++i) sums[i] = fma(sums[i], a, b);
  }
  F32 total = F32::zero();
  for (size_t i = 0; i < kChains; ++i) total = dts::DTS_TARGET::add(total, sums[i]);
  values[1] = total.sum();
  return 2.0 * static_cast<double>(F32::lanes * kChains) * static_cast<double>(rounds);
}

/** Largest of n floats, which takes every one of them from memory and little else. */
inline float read_floats(const float* values, size_t n) {
  constexpr size_t step = 4 * F32::lanes;
  F32 most[4] = {F32::zero(), F32::zero(), F32::zero(), F32::zero()};
  for (size_t i = 0; i + step <= n; i += step) {
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) most[k] = max(most[k], F32::load(values + i + k * F32::lanes));
  }
  return max(max(most[0], most[1]), max(most[2], most[3])).largest();
}

}  // namespace dts::DTS_TARGET
