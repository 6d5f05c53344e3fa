// f32 to the smaller float formats, to nearest with ties to even.
namespace dts::DTS_TARGET {

inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = f32_to_bits(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude < 0x38800000) {  // subnormal: adding 0.5 leaves a multiple of 2^-24 in the low bits
    return sign | static_cast<uint16_t>(f32_to_bits(bits_to_f32(magnitude) + 0.5f) - 0x3f000000);
  }
  return sign | static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
}

inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = f32_to_bits(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline void put_u16(uint8_t* at, unsigned value) {
  at[0] = static_cast<uint8_t>(value);
  at[1] = static_cast<uint8_t>(value >> 8);
}

inline void put_u32(uint8_t* at, uint32_t value) {
  put_u16(at, value & 0xffff);
  put_u16(at + 2, value >> 16);
}

/** Stores a scale. @returns the value that a reader will see */
inline float put_f16(uint8_t* at, float value) {
  const uint16_t half = f32_to_f16(value);
  put_u16(at, half);
  return f16_to_f32(half);
}

/** The nearest f16 of a scale. */
inline float as_f16(float value) { return f16_to_f32(f32_to_f16(value)); }

inline void encode_f32(const float* x, const float*, size_t n, uint8_t* out) { std::memcpy(out, x, n * 4); }

inline void encode_f16(const float* x, const float*, size_t n, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) put_u16(out + 2 * i, f32_to_f16(x[i]));
}

inline void encode_bf16(const float* x, const float*, size_t n, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) put_u16(out + 2 * i, f32_to_bf16(x[i]));
}

}  // namespace dts::DTS_TARGET
