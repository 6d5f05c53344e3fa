// Mean squared errors of llama.cpp's quantisers on seeded tensors, as JSON. See README.md.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ggml.h"

constexpr int kRows = 32, kColumns = 1024;

/** xorshift32; the sum of twelve uniform numbers less six is close to gaussian. Only exact or correctly rounded steps. */
static std::vector<float> tensor(bool heavy) {
  uint32_t state = 12345;
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      sum += state / 4294967296.0;
    }
    value = static_cast<float>(heavy ? 0.01 * sum * (1 + sum * sum) : 0.02 * sum);
  }
  return values;
}

/** One a column, over a thousand times more for some than for others. */
static std::vector<float> importance(int columns) {
  uint32_t state = 54321;
  std::vector<float> values(columns);
  for (float& value : values) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    const double part = state / 4294967296.0;
    value = static_cast<float>(0.01 + 10 * part * part * part * part);
  }
  return values;
}

/** Types that need no importance. */
static const std::vector<ggml_type> kPlain = {
    GGML_TYPE_Q4_0, GGML_TYPE_Q4_1,   GGML_TYPE_Q5_0,   GGML_TYPE_Q5_1,  GGML_TYPE_Q8_0,  GGML_TYPE_Q2_K,  GGML_TYPE_Q3_K,
    GGML_TYPE_Q4_K, GGML_TYPE_Q5_K,   GGML_TYPE_Q6_K,   GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS, GGML_TYPE_IQ3_S, GGML_TYPE_TQ1_0,
    GGML_TYPE_TQ2_0, GGML_TYPE_MXFP4, GGML_TYPE_NVFP4,  GGML_TYPE_Q1_0,  GGML_TYPE_Q2_0};
static const std::vector<ggml_type> kWeightedOnly = {GGML_TYPE_IQ3_XXS, GGML_TYPE_IQ2_S, GGML_TYPE_IQ2_XS,
                                                     GGML_TYPE_IQ2_XXS, GGML_TYPE_IQ1_M, GGML_TYPE_IQ1_S};

/** @param weights one a column, or empty: no importance, and only the types that do without */
static void measure(const std::string& name, const std::vector<float>& x, int columns, const std::vector<float>& weights,
                    bool last) {
  std::vector<ggml_type> types = kPlain;
  if (!weights.empty()) types.insert(types.end(), kWeightedOnly.begin(), kWeightedOnly.end());
  const float* importance = weights.empty() ? nullptr : weights.data();
  std::printf("  \"%s\": {\n", name.c_str());
  for (size_t t = 0; t < types.size(); ++t) {
    std::vector<uint8_t> bytes(ggml_row_size(types[t], x.size()));
    std::vector<float> back(x.size());
    ggml_quantize_chunk(types[t], x.data(), bytes.data(), 0, x.size() / columns, columns, importance);
    ggml_get_type_traits(types[t])->to_float(bytes.data(), back.data(), x.size());
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      sum += (importance ? importance[i % columns] : 1) * (x[i] - back[i]) * static_cast<double>(x[i] - back[i]);
    }
    std::string type = ggml_type_name(types[t]);
    for (char& c : type) c = std::toupper(c);
    std::printf("    \"%s\": %.6g%s\n", type.c_str(), sum / x.size(), t + 1 < types.size() ? "," : "");
  }
  std::printf("  }%s\n", last ? "" : ",");
}

static void measure_both(const std::string& name, const std::vector<float>& x, int columns, bool last) {
  measure(name, x, columns, {}, false);
  measure(name + " weighted", x, columns, importance(columns), last);
}

/** Arguments: raw f32 files as name=file=columns, further tensors to measure. */
int main(int count, char** args) {
  std::printf("{\n");
  measure_both("gaussian", tensor(false), kColumns, false);
  measure_both("heavy", tensor(true), kColumns, count == 1);
  for (int a = 1; a < count; ++a) {
    const std::string arg = args[a];
    const size_t first = arg.find('='), second = arg.rfind('=');
    FILE* file = std::fopen(arg.substr(first + 1, second - first - 1).c_str(), "rb");
    if (!file) return 1;
    std::vector<float> x;
    float value;
    while (std::fread(&value, 4, 1, file) == 1) x.push_back(value);
    std::fclose(file);
    measure_both(arg.substr(0, first), x, std::atoi(arg.c_str() + second + 1), a + 1 == count);
  }
  std::printf("}\n");
}
