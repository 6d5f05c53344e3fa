// out[t][o] = Σ_i weight[o][i] * x[t][i] (+ bias[o]), in bands of weight rows.
namespace dts::DTS_TARGET {

inline void quantize(const QuantizeOp& op, const Step& step, size_t t) {
  const size_t cols = op.x.width;
  step.products->quantize_rows(op.x.data + t * cols, cols, 1, cols, op.out + t * (cols / qgemm::kColumnsPerBlock));
}

/** Pointers to `count` rows, `stride` floats apart. */
inline void point_to_rows(const float* first, size_t stride, size_t count, const float** rows) {
  for (size_t i = 0; i < count; ++i) rows[i] = first + i * stride;
}

/**
 * Rows [row, row + count) of a weight, count <= kTile, for products with `inputs` rows of floats. Where those are few, types of
 * one float an element stay as they are stored and are read in registers; all else is decoded to scratch, once for all inputs.
 */
class WeightTile {
 public:
  WeightTile(const Weight& w, size_t row, size_t count, size_t inputs, float* scratch) : w_(w), count_(count) {
    const bool few = inputs <= F32::dot_cols;
    // A scale for each 128 columns, as released files have it.
    const bool scales_fit = w.scale_block == 0 || (std::has_single_bit(w.scale_block) && w.scale_block >= F32::lanes);
    direct_ = few && (w.dtype == DType::F16 || w.dtype == DType::BF16 || (w.dtype == DType::F8_E4M3 && scales_fit));
    if (!direct_) point_to_rows(f32_rows(w, row, count, scratch), w.cols, count, floats_);
    for (size_t r = 0; direct_ && r < count; ++r) {
      stored_[r] = w.row(row + r);
      scales_[r] = w.scales.data() + (row + r) * w.scale_cols;
    }
  }

  /** out[c * stride + r] = Σ_i rows[r][i] * xs[c][i], for all rows and c < x_count */
  void dots(const float* const* xs, size_t x_count, float* out, size_t stride) const {
    const auto with = [&](const auto& rows) { stored_dots(rows, count_, xs, x_count, w_.cols, out, stride); };
    if (!direct_) return with(F32Rows{floats_});
    if (w_.dtype == DType::F16) return with(F16Rows{stored_});
    if (w_.dtype == DType::BF16) return with(Bf16Rows{stored_});
    if (w_.scale_block == 0) return with(F8Rows{stored_});
    with(ScaledF8Rows{stored_, scales_, static_cast<unsigned>(std::countr_zero(w_.scale_block))});
  }

 private:
  const Weight& w_;
  size_t count_;
  bool direct_;
  const float* floats_[kTile];
  const uint8_t* stored_[kTile];
  const float* scales_[kTile];
};

/** Rows [from, from + count) of the weight, for all rows of x. */
inline void float_band(const LinearOp& op, size_t from, size_t count, size_t rows, float* scratch) {
  const Weight& w = *op.weight;
  for (size_t r = from; r < from + count; r += kTile) {
    const WeightTile tile(w, r, std::min(kTile, from + count - r), rows, scratch);
    for (size_t t = 0; t < rows; t += kInputs) {
      const size_t chunk = std::min(kInputs, rows - t);
      const float* xs[kInputs];
      point_to_rows(op.x.data + t * w.cols, w.cols, chunk, xs);
      tile.dots(xs, chunk, op.out.data + t * w.rows + r, w.rows);
    }
  }
}

inline void linear_band(const LinearOp& op, const Step& step, Worker& worker, size_t band) {
  const size_t rows = op.x.rows(step.batch), width = op.weight->rows;
  const size_t from = band * kBand, count = std::min(kBand, width - from);
  if (op.quantized) {
    step.products->gemm(op.weight->packed.matrix(0), from, from + count, {op.quantized, nullptr, rows}, op.out.data + from, width);
  } else {
    float_band(op, from, count, rows, worker.scratch);
  }
  if (!op.bias) return;
  const float* bias = floats(*op.bias) + from;
  for (size_t t = 0; t < rows; ++t) {
    float* out = op.out.data + t * width + from;
    for (size_t r = 0; r < count; ++r) out[r] += bias[r];
  }
}

}  // namespace dts::DTS_TARGET
