// Rows of the cache in its stored types.
namespace dts::DTS_TARGET {

/** Blocks of 32 int8 codes with an f16 step each: the step is max|x| / 127, the codes are the nearest (ties: even). */
inline void write_q8_0(const float* x, size_t width, uint8_t* to) {
  for (size_t from = 0; from < width; from += 32, to += 34) {
    const size_t n = std::min<size_t>(32, width - from);
    float most = 0;
    for (size_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[from + i]));
    const uint16_t step = f32_to_f16(most / 127);
    std::memcpy(to, &step, sizeof step);
    const float d = f16_to_f32(step), inverse = d > 0 ? 1 / d : 0;
    for (size_t i = 0; i < 32; ++i) {
      const float code = i < n ? std::nearbyint(x[from + i] * inverse) : 0;
      to[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::max(-127.0f, std::min(127.0f, code))));
    }
  }
}

inline void write_cache(const CacheField& field, size_t row, const float* x) {
  uint8_t* to = field.row(row);
  if (field.dtype == DType::F32) std::memcpy(to, x, field.width * sizeof(float));
  else if (field.dtype == DType::Q8_0) write_q8_0(x, field.width, to);
  else {
    for (size_t i = 0; i < field.width; ++i) {
      const uint16_t half = f32_to_f16(x[i]);
      std::memcpy(to + 2 * i, &half, sizeof half);
    }
  }
}

/** Elements [from, from + count) of a row. */
inline void read_cache(const CacheField& field, size_t row, size_t from, size_t count, float* out) {
  const uint8_t* at = field.row(row);
  if (field.dtype == DType::F32) return std::memcpy(out, at + 4 * from, 4 * count), void();
  if (field.dtype == DType::F16) return decode_f16(at + 2 * from, count, out);
  const size_t whole = from % 32 == 0 ? count / 32 * 32 : 0;
  decode_q8_0(at + from / 32 * 34, whole, out);
  for (size_t i = whole; i < count; ++i) {
    const uint8_t* block = at + (from + i) / 32 * 34;
    out[i] = static_cast<float>(static_cast<int8_t>(block[2 + (from + i) % 32])) * f16_at(block);
  }
}

}  // namespace dts::DTS_TARGET
