// f32 rows to blocks of 32 int8 codes.
namespace dts::qgemm::DTS_TARGET {

// What follows from q, its sums by halves, and d.
DTS_INLINE void complete(QBlock& block, const int32_t (&sums)[2]) {
  const int32_t sum = sums[0] + sums[1];
  block.dsum = block.d * static_cast<float>(sum);
  block.start8 = kBias - 8 * sum;
  block.start16 = kBias - 16 * sum;
  block.start128 = kBias - 128 * sum;
  block.start32[0] = kBias - 32 * sums[0];
  block.start32[1] = kBias - 32 * sums[1];
}

inline void quantize_block(const float* x, QBlock& out) {
  const uint32_t bits = largest(x);
  int32_t sums[2] = {0, 0};
  const float most = std::bit_cast<float>(bits);
  if (bits < 0x7f800000u && most >= 1e-30f) {
    round_block(x, 127.f / most, out.q, sums);
    out.d = most / 127.f;
  } else {
    std::memset(out.q, 0, sizeof out.q);
    out.d = bits < 0x7f800000u ? 0.f : std::numeric_limits<float>::quiet_NaN();
  }
  complete(out, sums);
}

inline void quantize_rows(const float* x, size_t ldx, size_t rows, size_t cols, QBlock* out) {
  const size_t blocks = cols / kColumnsPerBlock;
  for (size_t r = 0; r < rows; ++r, x += ldx)
    for (size_t b = 0; b < blocks; ++b) quantize_block(x + b * kColumnsPerBlock, *out++);
}

}  // namespace dts::qgemm::DTS_TARGET
