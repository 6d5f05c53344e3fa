// The encoders give the same bytes on every target, and the search in a codebook finds what trying every row and sign finds.
#include "../encode/codebook.h"
#include "../encode/encode.h"
#include "../targets/target.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#define DTS_TARGET encode_test
#include "../simd_scalar.h"
#include "../encode/encoders.inl"

namespace {

/** xorshift32 as numbers of 0 to 1; twelve of them less six are close to gaussian. */
struct Random {
  uint32_t state = 2463534242u;
  float uniform() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return static_cast<float>(state) / 4294967296.0f;
  }
  float gaussian() {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
};

int failures = 0;
void fail(const char* what, const char* where) {
  std::fprintf(stderr, "%s: %s\n", where, what);
  ++failures;
}

#if DTS_X86
void same_bytes_on_both_targets() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  constexpr size_t kRows = 6, kCols = 512;
  Random random;
  std::vector<float> x(kRows * kCols), importance(kCols), scratch(2 * kCols);
  for (const float sparse : {0.0f, 0.7f}) {
    for (float& value : x) value = random.uniform() < sparse ? 0 : 0.02f * std::pow(random.gaussian(), 3.0f);
    for (float& value : importance) value = 0.01f + std::pow(random.uniform(), 4.0f);
    for (size_t t = 0; t < dts::kDTypeCount; ++t) {
      const auto to = static_cast<dts::DType>(t);
      if (to == dts::DType::F8_E4M3) continue;
      std::vector<uint8_t> plain(dts::bytes_of(to, x.size()), 1), fast(plain.size(), 2);
      dts::EncodeJob job{dts::DType::F32, reinterpret_cast<const uint8_t*>(x.data()), to, plain.data(), kRows, kCols, importance.data(), kRows};
      dts::encode_test::encode_range(job, 0, kRows, scratch.data());
      job.out = fast.data();
      dts::kEncodeAvx2(job, 0, kRows, scratch.data());
      if (plain != fast) fail("other bytes with AVX2", dts::info(to).name);
    }
  }
}
#endif

using namespace dts::encode_test;

/** The error of the best cell, by trying every row and every allowed sign. */
template <class Format>
float tried_error(const float* x, const float* w, float scale, float shift) {
  using Book = std::remove_cvref_t<decltype(Format::book)>;
  constexpr int kRows = 8 / Book::width;
  const size_t count = Format::book.rows.size();
  float best = std::numeric_limits<float>::infinity();
  for (unsigned signs = 0; signs < 256; ++signs) {
    if (Format::signs == Signs::shifted && signs != (shift < 0 ? 255u : 0u)) continue;
    if (Format::signs == Signs::even && even_signs(signs & 127) != signs) continue;
    float error = 0;
    for (int r = 0; r < kRows; ++r) {
      float least = std::numeric_limits<float>::infinity();
      for (size_t row = 0; row < count; ++row) {
        float sum = 0;
        for (int i = 0; i < Book::width; ++i) {
          const int at = r * Book::width + i;
          const float level = static_cast<float>(Format::book.grid[row][i]);
          const float value = Format::signs == Signs::shifted ? level + shift : ((signs >> at) & 1) ? -level : level;
          sum += w[at] * (x[at] - scale * value) * (x[at] - scale * value);
        }
        least = std::min(least, sum);
      }
      error += least;
    }
    best = std::min(best, error);
  }
  return best;
}

template <class Format>
void search_is_exact(const char* name, float largest_level) {
  Random random;
  for (int round = 0; round < 12; ++round) {
    float x[8], w[8];
    for (float& value : x) value = random.gaussian();
    for (float& value : w) value = 0.01f + std::pow(random.uniform(), 4.0f);
    const float scale = (0.7f + 2 * random.uniform()) / largest_level;
    const float shift = Format::signs != Signs::shifted ? 0 : round % 2 == 0 ? 0.125f : -0.125f;
    const Cell cell = best_cell<Format>(x, w, scale, shift);
    if (Format::signs == Signs::even && even_signs(cell.signs & 127u) != cell.signs) fail("an odd number of minus signs", name);
    const float found = fit_of<Format>(x, w, scale, cell).error, want = tried_error<Format>(x, w, scale, shift);
    if (!(std::fabs(found - want) <= 1e-5f * (1 + want))) fail("there is a better row", name);
  }
}

}  // namespace

int main() {
#if DTS_X86
  same_bytes_on_both_targets();
#endif
  search_is_exact<Iq2Xxs>("IQ2_XXS", 43);
  search_is_exact<Iq2Xs>("IQ2_XS", 43);
  search_is_exact<Iq2S>("IQ2_S", 43);
  search_is_exact<Iq3Xxs>("IQ3_XXS", 62);
  search_is_exact<Iq3S>("IQ3_S", 15);
  search_is_exact<Iq1S>("IQ1_S", 1);
  search_is_exact<Iq1M>("IQ1_M", 1);
  return failures == 0 ? 0 : 1;
}
