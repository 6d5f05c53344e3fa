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

/** Rows [from, from + count) of the weight, a tile at a time: a tile is decoded once for all rows of x. */
inline void decoded_band(const LinearOp& op, size_t from, size_t count, size_t rows, float* scratch) {
  const Weight& w = *op.weight;
  for (size_t r = from; r < from + count; r += kTile) {
    const size_t tile = std::min(kTile, from + count - r);
    const float* weights[kTile];
    point_to_rows(f32_rows(w, r, tile, scratch), w.cols, tile, weights);
    for (size_t t = 0; t < rows; t += kTile) {
      const size_t chunk = std::min(kTile, rows - t);
      const float* xs[kTile];
      point_to_rows(op.x.data + t * w.cols, w.cols, chunk, xs);
      dots(weights, tile, xs, chunk, w.cols, op.out.data + t * w.rows + r, w.rows);
    }
  }
}

inline void linear_band(const LinearOp& op, const Step& step, Worker& worker, size_t band) {
  const size_t rows = op.x.rows(step.batch), width = op.weight->rows;
  const size_t from = band * kBand, count = std::min(kBand, width - from);
  if (op.quantized) {
    step.products->gemm(op.weight->packed.matrix(0), from, from + count, {op.quantized, nullptr, rows}, op.out.data + from, width);
  } else {
    decoded_band(op, from, count, rows, worker.scratch);
  }
  if (!op.bias) return;
  const float* bias = floats(*op.bias) + from;
  for (size_t t = 0; t < rows; ++t) {
    float* out = op.out.data + t * width + from;
    for (size_t r = 0; r < count; ++r) out[r] += bias[r];
  }
}

}  // namespace dts::DTS_TARGET
