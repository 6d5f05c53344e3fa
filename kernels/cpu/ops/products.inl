// The two products that all others are made of, in blocks that stay in registers. Every sum has one accumulator a lane
// that runs over its elements in ascending order, whatever the block it is computed in: a result never depends on which
// other rows are computed with it.
namespace dts::DTS_TARGET {

/** out[c * stride + r] = Σ_i rows[r][i] * xs[c][i] for r < R, c < C */
template <size_t R, size_t C>
inline void dot_block(const float* const* rows, const float* const* xs, size_t n, float* out, size_t stride) {
  F32 sums[R][C];
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < C; ++c) sums[r][c] = F32::zero();
  }
  size_t i = 0;
  for (; i + F32::lanes <= n; i += F32::lanes) {
    F32 x[C];
#pragma GCC unroll 8
    for (size_t c = 0; c < C; ++c) x[c] = F32::load(xs[c] + i);
#pragma GCC unroll 8
    for (size_t r = 0; r < R; ++r) {
      const F32 w = F32::load(rows[r] + i);
#pragma GCC unroll 8
      for (size_t c = 0; c < C; ++c) sums[r][c] = fma(w, x[c], sums[r][c]);
    }
  }
  if (i < n) {
    for (size_t r = 0; r < R; ++r) {
      const F32 w = F32::load_n(rows[r] + i, n - i);
      for (size_t c = 0; c < C; ++c) sums[r][c] = fma(w, F32::load_n(xs[c] + i, n - i), sums[r][c]);
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (size_t c = 0; c < C; ++c) out[c * stride + r] = sums[r][c].sum();
  }
}

/** out[c * stride + r] = Σ_i rows[r][i] * xs[c][i] for all r < row_count, c < x_count */
inline void dots(const float* const* rows, size_t row_count, const float* const* xs, size_t x_count, size_t n, float* out,
                 size_t stride) {
  constexpr size_t R = F32::dot_rows, C = F32::dot_cols;
  size_t c = 0;
  for (; c + C <= x_count; c += C) {
    size_t r = 0;
    for (; r + R <= row_count; r += R) dot_block<R, C>(rows + r, xs + c, n, out + c * stride + r, stride);
    for (; r < row_count; ++r) dot_block<1, C>(rows + r, xs + c, n, out + c * stride + r, stride);
  }
  for (; c < x_count; ++c) {
    size_t r = 0;
    for (; r + 8 <= row_count; r += 8) dot_block<8, 1>(rows + r, xs + c, n, out + c * stride + r, stride);
    for (; r < row_count; ++r) dot_block<1, 1>(rows + r, xs + c, n, out + c * stride + r, stride);
  }
}

/** out[h * out_stride + i] (+)= Σ_s weights[h * weight_stride + s] * rows[s][i] for h < H, i < V * lanes */
template <size_t H, size_t V>
inline void sum_block(const float* weights, size_t weight_stride, const float* const* rows, size_t from, size_t count,
                      bool onto, float* out, size_t out_stride) {
  F32 sums[H][V];
#pragma GCC unroll 8
  for (size_t h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (size_t v = 0; v < V; ++v) {
      sums[h][v] = onto ? F32::load(out + h * out_stride + v * F32::lanes) : F32::zero();
    }
  }
  for (size_t s = 0; s < count; ++s) {
    F32 x[V];
#pragma GCC unroll 8
    for (size_t v = 0; v < V; ++v) x[v] = F32::load(rows[s] + from + v * F32::lanes);
#pragma GCC unroll 8
    for (size_t h = 0; h < H; ++h) {
      const F32 w = F32::splat(weights[h * weight_stride + s]);
#pragma GCC unroll 8
      for (size_t v = 0; v < V; ++v) sums[h][v] = fma(w, x[v], sums[h][v]);
    }
  }
#pragma GCC unroll 8
  for (size_t h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (size_t v = 0; v < V; ++v) sums[h][v].store(out + h * out_stride + v * F32::lanes);
  }
}

/** As sum_block for the last few elements, fewer than a vector. */
inline void sum_tail(const float* weights, const float* const* rows, size_t from, size_t width, size_t count, bool onto,
                     float* out) {
  F32 sum = onto ? F32::load_n(out, width) : F32::zero();
  for (size_t s = 0; s < count; ++s) sum = fma(F32::splat(weights[s]), F32::load_n(rows[s] + from, width), sum);
  sum.store_n(out, width);
}

/** out[h * out_stride + i] (+)= Σ_s weights[h * weight_stride + s] * rows[s][i] for h < heads, i < width */
inline void weighted_sums(const float* weights, size_t weight_stride, size_t heads, const float* const* rows, size_t count,
                          size_t width, bool onto, float* out, size_t out_stride) {
  constexpr size_t H = F32::dot_rows, V = F32::dot_cols;
  size_t i = 0;
  for (; i + V * F32::lanes <= width; i += V * F32::lanes) {
    size_t h = 0;
    for (; h + H <= heads; h += H) {
      sum_block<H, V>(weights + h * weight_stride, weight_stride, rows, i, count, onto, out + h * out_stride + i,
                      out_stride);
    }
    for (; h < heads; ++h) {
      sum_block<1, V>(weights + h * weight_stride, weight_stride, rows, i, count, onto, out + h * out_stride + i,
                      out_stride);
    }
  }
  for (; i < width; i += F32::lanes) {
    const size_t left = width - i;
    for (size_t h = 0; h < heads; ++h) {
      const float* w = weights + h * weight_stride;
      float* to = out + h * out_stride + i;
      if (left >= F32::lanes) sum_block<1, 1>(w, weight_stride, rows, i, count, onto, to, out_stride);
      else sum_tail(w, rows, i, left, count, onto, to);
    }
  }
}

}  // namespace dts::DTS_TARGET
