// Ops that look at one row at a time, for row t of the step: see src/backends/reference/ops/rows.ts and rope.ts.
namespace dts::DTS_TARGET {

inline const float* floats(const Weight& w) { return reinterpret_cast<const float*>(w.row(0)); }

inline void embed(const EmbedOp& op, const Step& step, size_t t) {
  decode_rows(*op.table, static_cast<size_t>(step.batch.tokens[t]), 1, op.out.data + t * op.out.width);
}

/** Σ x[i]^2, in eight sums of double precision. */
inline double sum_of_squares(const float* x, size_t n) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] += static_cast<double>(x[i + lane]) * x[i + lane];
  }
  for (; i < n; ++i) sums[i % 8] += static_cast<double>(x[i]) * x[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

inline void rms_norm(const RmsNormOp& op, const Step& step, size_t t) {
  const size_t width = op.x.last, heads = op.x.width / width;
  const float* weight = floats(*op.weight);
  for (size_t h = 0; h < heads; ++h) {
    const float* x = op.x.data + t * op.x.width + h * width;
    float* out = op.out.data + t * op.x.width + h * width;
    const double squares = sum_of_squares(x, width);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + op.eps);
    for (size_t i = 0; i < width; ++i) out[i] = static_cast<float>(x[i] * scale * weight[i]);
  }
}

inline void layer_norm(const LayerNormOp& op, const Step& step, size_t t) {
  const size_t width = op.x.last, heads = op.x.width / width;
  const float* weight = floats(*op.weight);
  const float* bias = floats(*op.bias);
  for (size_t h = 0; h < heads; ++h) {
    const float* x = op.x.data + t * op.x.width + h * width;
    float* out = op.out.data + t * op.x.width + h * width;
    const double count = static_cast<double>(width);
    double mean = 0, variance = 0;
    for (size_t i = 0; i < width; ++i) mean += x[i] / count;
    for (size_t i = 0; i < width; ++i) variance += (x[i] - mean) * (x[i] - mean) / count;
    const double scale = 1 / std::sqrt(variance + op.eps);
    for (size_t i = 0; i < width; ++i) out[i] = static_cast<float>((x[i] - mean) * scale * weight[i] + bias[i]);
  }
}

/** The angles in double precision: at position 100,000 a float has no more digits after the point than two. */
inline void rope_angles(RopeTable& table, const Step& step, Worker& worker) {
  const size_t pairs = table.frequencies.size();
  worker.share(step.batch.rows, [&](size_t t) {
    for (size_t j = 0; j < pairs; ++j) {
      const double angle = step.batch.positions[t] * table.frequencies[j];
      table.cosines[t * pairs + j] = static_cast<float>(std::cos(angle) * table.magnitude);
      table.sines[t * pairs + j] = static_cast<float>(std::sin(angle) * table.magnitude);
    }
  });
}

inline void rope(const RopeOp& op, const Step& step, size_t t) {
  const size_t pairs = op.table->frequencies.size();
  const size_t first_step = op.adjacent ? 2 : 1, second = op.adjacent ? 1 : pairs;
  const float* cosines = op.table->cosines.data() + t * pairs;
  const float* sines = op.table->sines.data() + t * pairs;
  for (size_t head = t * op.x.width; head < (t + 1) * op.x.width; head += 2 * pairs) {
    const float* x = op.x.data + head;
    float* out = op.out.data + head;
    for (size_t j = 0; j < pairs; ++j) {
      const float a = x[j * first_step], b = x[j * first_step + second];
      out[j * first_step] = a * cosines[j] - b * sines[j];
      out[j * first_step + second] = a * sines[j] + b * cosines[j];
    }
  }
}

/** Cuts the last dimension of each head, or joins it: `whole` holds for each head the parts side by side. */
inline void split(const SplitOp& op, const Step& step, size_t t) {
  const size_t heads = op.x.width / op.x.last;
  for (size_t h = 0; h < heads; ++h) {
    const float* from = op.x.data + t * op.x.width + h * op.x.last;
    for (const Tensor& out : op.outs) {
      std::memcpy(out.data + t * out.width + h * out.last, from, out.last * sizeof(float));
      from += out.last;
    }
  }
}

inline void concat(const ConcatOp& op, const Step& step, size_t t) {
  const size_t heads = op.out.width / op.out.last;
  for (size_t h = 0; h < heads; ++h) {
    float* to = op.out.data + t * op.out.width + h * op.out.last;
    for (const Tensor& x : op.xs) {
      std::memcpy(to, x.data + t * x.width + h * x.last, x.last * sizeof(float));
      to += x.last;
    }
  }
}

inline void add(const AddOp& op, const Step& step, size_t t) {
  const size_t width = op.out.width;
  for (size_t i = t * width; i < (t + 1) * width; ++i) op.out.data[i] = op.a.data[i] + op.b.data[i];
}

inline void swiglu(const SwigluOp& op, const Step& step, size_t t) {
  const size_t width = op.out.width;
  swiglu_row(op.gate.data + t * width, op.up.data + t * width, width, op.out.data + t * width);
}

inline void cache_write(const CacheWriteOp& op, const Step& step, size_t t) {
  const size_t width = op.field->width;
  const size_t row = step.cache_row(t, static_cast<size_t>(step.batch.positions[t]));
  std::memcpy(op.field->data.data() + row * width, op.x.data + t * width, width * sizeof(float));
}

/** For row r of those whose logits are wanted. */
inline void gather_rows(const GatherRowsOp& op, const Step& step, size_t r) {
  const size_t width = op.x.width, t = static_cast<size_t>(step.batch.logit_rows[r]);
  std::memcpy(op.out.data + r * width, op.x.data + t * width, width * sizeof(float));
}

}  // namespace dts::DTS_TARGET
