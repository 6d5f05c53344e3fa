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

static void measure(const char* name, const std::vector<float>& x, int columns, bool last) {
  const ggml_type types[] = {GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0,   GGML_TYPE_Q5_1, GGML_TYPE_Q8_0, GGML_TYPE_Q2_K,
                             GGML_TYPE_Q3_K, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K, GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS};
  std::printf("  \"%s\": {\n", name);
  for (size_t t = 0; t < std::size(types); ++t) {
    std::vector<uint8_t> bytes(ggml_row_size(types[t], x.size()));
    std::vector<float> back(x.size());
    ggml_quantize_chunk(types[t], x.data(), bytes.data(), 0, x.size() / columns, columns, nullptr);
    ggml_get_type_traits(types[t])->to_float(bytes.data(), back.data(), x.size());
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - back[i]) * static_cast<double>(x[i] - back[i]);
    std::string type = ggml_type_name(types[t]);
    for (char& c : type) c = std::toupper(c);
    std::printf("    \"%s\": %.6g%s\n", type.c_str(), sum / x.size(), t + 1 < std::size(types) ? "," : "");
  }
  std::printf("  }%s\n", last ? "" : ",");
}

/** Arguments: raw f32 files as name=file=columns, further tensors to measure. */
int main(int count, char** args) {
  std::printf("{\n");
  measure("gaussian", tensor(false), kColumns, false);
  measure("heavy", tensor(true), kColumns, count == 1);
  for (int a = 1; a < count; ++a) {
    const std::string arg = args[a];
    const size_t first = arg.find('='), second = arg.rfind('=');
    FILE* file = std::fopen(arg.substr(first + 1, second - first - 1).c_str(), "rb");
    if (!file) return 1;
    std::vector<float> x;
    float value;
    while (std::fread(&value, 4, 1, file) == 1) x.push_back(value);
    std::fclose(file);
    measure(arg.substr(0, first).c_str(), x, std::atoi(arg.c_str() + second + 1), a + 1 == count);
  }
  std::printf("}\n");
}
