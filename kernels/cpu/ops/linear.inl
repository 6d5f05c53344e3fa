// out[t][o] = Σ_i weight[o][i] * x[t][i] (+ bias[o]), in tiles of weight rows: a tile is decoded once for all rows of x.
namespace dts::DTS_TARGET {

/** Pointers to `count` rows, `stride` floats apart. */
inline void point_to_rows(const float* first, size_t stride, size_t count, const float** rows) {
  for (size_t i = 0; i < count; ++i) rows[i] = first + i * stride;
}

inline void linear(const LinearOp& op, const Step& step, Worker& worker) {
  const Weight& w = *op.weight;
  const size_t rows = op.x.rows(step.batch);
  if (rows == 0) return worker.share(0, [](size_t) {});
  worker.share((w.rows + kTile - 1) / kTile, [&](size_t tile) {
    const size_t from = tile * kTile, count = std::min(kTile, w.rows - from);
    const float* weights[kTile];
    point_to_rows(f32_rows(w, from, count, worker.scratch), w.cols, count, weights);
    for (size_t t = 0; t < rows; t += kTile) {
      const size_t chunk = std::min(kTile, rows - t);
      const float* xs[kTile];
      point_to_rows(op.x.data + t * w.cols, w.cols, chunk, xs);
      float* out = op.out.data + t * w.rows + from;
      dots(weights, count, xs, chunk, w.cols, out, w.rows);
      if (!op.bias) continue;
      const float* bias = floats(*op.bias) + from;
      for (size_t c = 0; c < chunk; ++c) {
        for (size_t r = 0; r < count; ++r) out[c * w.rows + r] += bias[r];
      }
    }
  });
}

}  // namespace dts::DTS_TARGET
