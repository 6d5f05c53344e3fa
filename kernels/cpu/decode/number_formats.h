// Small float formats on their bit patterns; exact. Shared by all targets.
#pragma once
#include <cstdint>
#include <cstring>

namespace dts {

inline float bits_to_f32(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t f32_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/** IEEE 754 binary16. */
inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 1023;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return bits_to_f32(sign | f32_to_bits(magnitude));
  }
  if (exponent == 31) return bits_to_f32(sign | 0x7f800000 | (fraction << 13));
  return bits_to_f32(sign | ((exponent + 112) << 23) | (fraction << 13));
}

/** To the nearest, ties to even; past the largest finite value infinity. */
inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = f32_to_bits(value), magnitude = bits & 0x7fffffff;
  const uint32_t sign = (bits >> 16) & 0x8000;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);
  // Below 2^-14 the addition of 0.5 leaves multiples of 2^-24 in the fraction, rounded as they should be.
  if (magnitude < 0x38800000) return static_cast<uint16_t>(sign | (f32_to_bits(bits_to_f32(magnitude) + 0.5f) - 0x3f000000));
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
}

inline float bf16_to_f32(uint16_t half) { return bits_to_f32(static_cast<uint32_t>(half) << 16); }

/** FP8 E4M3 without infinities. Source: OCP 8-bit Floating Point Specification 1.0, table 1. */
inline float f8e4m3_to_f32(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80) << 24;
  const uint32_t exponent = (code >> 3) & 15;
  const uint32_t fraction = code & 7;
  if (exponent == 0) return bits_to_f32(sign | f32_to_bits(static_cast<float>(fraction) * 0x1p-9f));
  if (exponent == 15 && fraction == 7) return bits_to_f32(sign | 0x7fc00000);
  return bits_to_f32(sign | ((exponent + 120) << 23) | (fraction << 20));
}

inline uint16_t u16_at(const uint8_t* bytes) {
  return static_cast<uint16_t>(bytes[0] | (bytes[1] << 8));
}

inline uint32_t u32_at(const uint8_t* bytes) {
  return bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (static_cast<uint32_t>(bytes[3]) << 24);
}

inline float f16_at(const uint8_t* bytes) { return f16_to_f32(u16_at(bytes)); }

}  // namespace dts
