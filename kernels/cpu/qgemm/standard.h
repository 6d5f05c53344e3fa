// What the .inl files use, included before a target region: an inline function of the library compiled inside one may be
// the copy that an older CPU runs.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "compiler.h"
#include "layout.h"
#include "qgemm.h"

namespace dts::qgemm {

// The f16 number at p.
DTS_INLINE float half(const uint8_t* p) {
  const uint32_t h = static_cast<uint32_t>(p[0] | p[1] << 8), sign = (h & 0x8000u) << 16, magnitude = h & 0x7fffu;
  if (magnitude >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // As an f32 with the exponent moved down by 112, then up again: exact for subnormals too.
  const float scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000u);
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

}  // namespace dts::qgemm
