// Element types of weights, as src/tensor/dtype.ts has them: same names, same order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dts {

enum class DType : uint8_t {
  F32, F16, BF16, F8_E4M3,
  Q4_0, Q4_1, Q5_0, Q5_1, Q8_0,
  Q2_K, Q3_K, Q4_K, Q5_K, Q6_K,
  IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, IQ1_M,
  TQ1_0, TQ2_0, MXFP4, NVFP4, Q1_0, Q2_0,
};

struct DTypeInfo {
  const char* name;
  uint16_t block_elements;
  uint16_t block_bytes;
};

inline constexpr DTypeInfo kDTypes[] = {
    {"F32", 1, 4},       {"F16", 1, 2},      {"BF16", 1, 2},      {"F8_E4M3", 1, 1},
    {"Q4_0", 32, 18},    {"Q4_1", 32, 20},   {"Q5_0", 32, 22},    {"Q5_1", 32, 24},
    {"Q8_0", 32, 34},    {"Q2_K", 256, 84},  {"Q3_K", 256, 110},  {"Q4_K", 256, 144},
    {"Q5_K", 256, 176},  {"Q6_K", 256, 210}, {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74},
    {"IQ3_XXS", 256, 98}, {"IQ1_S", 256, 50}, {"IQ4_NL", 32, 18},  {"IQ3_S", 256, 110},
    {"IQ2_S", 256, 82},  {"IQ4_XS", 256, 136}, {"IQ1_M", 256, 56}, {"TQ1_0", 256, 54},
    {"TQ2_0", 256, 66},  {"MXFP4", 32, 17},  {"NVFP4", 64, 36},   {"Q1_0", 128, 18},
    {"Q2_0", 64, 18},
};
inline constexpr size_t kDTypeCount = sizeof(kDTypes) / sizeof(kDTypes[0]);
static_assert(kDTypeCount == static_cast<size_t>(DType::Q2_0) + 1);

inline const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

/** Bytes of `elements` elements, a whole number of blocks. */
inline size_t bytes_of(DType dtype, size_t elements) {
  return elements / info(dtype).block_elements * info(dtype).block_bytes;
}

/** Index in kDTypes, or kDTypeCount where the name is unknown. */
inline size_t find_dtype(const char* name) {
  size_t i = 0;
  while (i < kDTypeCount && std::strcmp(kDTypes[i].name, name) != 0) ++i;
  return i;
}

}  // namespace dts
