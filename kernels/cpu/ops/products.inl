// The two products that all others are made of, in blocks that stay in registers. Every sum has one accumulator a lane
// that runs over its elements in ascending order, whatever the block it is computed in: a result never depends on which
// other rows are computed with it.
namespace dts::DTS_TARGET {

// Rows of floats as they are stored: load(r, i) gives elements i to i + lanes of row r, load_n(r, i, n) the first n of them.

struct F32Rows {
  const float* const* rows;
  F32 load(size_t r, size_t i) const { return F32::load(rows[r] + i); }
  F32 load_n(size_t r, size_t i, size_t n) const { return F32::load_n(rows[r] + i, n); }
};

/** The first n of `lanes` elements of `Bytes` bytes each, so that nothing is read beyond them; the others are zero. */
template <size_t Bytes, F32 Load(const uint8_t*)>
DTS_NOINLINE F32 load_bytes(const uint8_t* p, size_t n) {
  uint8_t all[F32::lanes * Bytes] = {};
  std::memcpy(all, p, n * Bytes);
  return Load(all);
}

struct F16Rows {
  const uint8_t* const* rows;
  F32 load(size_t r, size_t i) const { return F32::from_f16(rows[r] + 2 * i); }
  F32 load_n(size_t r, size_t i, size_t n) const { return load_bytes<2, F32::from_f16>(rows[r] + 2 * i, n); }
};

struct Bf16Rows {
  const uint8_t* const* rows;
  F32 load(size_t r, size_t i) const { return F32::from_bf16(rows[r] + 2 * i); }
  F32 load_n(size_t r, size_t i, size_t n) const { return load_bytes<2, F32::from_bf16>(rows[r] + 2 * i, n); }
};

struct F8Rows {
  const uint8_t* const* rows;
  F32 load(size_t r, size_t i) const { return F32::from_f8(rows[r] + i); }
  F32 load_n(size_t r, size_t i, size_t n) const { return load_bytes<1, F32::from_f8>(rows[r] + i, n); }
};

/** With a scale for each 2^shift elements of a row, a multiple of the lanes. */
struct ScaledF8Rows {
  const uint8_t* const* rows;
  const float* const* scales;
  unsigned shift;
  F32 scaled(F32 x, size_t r, size_t i) const { return mul(x, F32::splat(scales[r][i >> shift])); }
  F32 load(size_t r, size_t i) const { return scaled(F8Rows{rows}.load(r, i), r, i); }
  F32 load_n(size_t r, size_t i, size_t n) const { return scaled(F8Rows{rows}.load_n(r, i, n), r, i); }
};

/** out[c * stride + r] = Σ_i rows[first + r][i] * xs[c][i] for c < C and r < R as far as row `last`; R is a multiple of 4 */
template <size_t R, size_t C, class Rows>
inline void dot_block(const Rows& rows, size_t first, size_t last, const float* const* xs, size_t n, float* out, size_t stride) {
  F32 sums[R][C];
  size_t row[R];
#pragma GCC unroll 8
  for (size_t r = 0; r < R; ++r) {
    row[r] = std::min(first + r, last);
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
      const F32 w = rows.load(row[r], i);
#pragma GCC unroll 8
      for (size_t c = 0; c < C; ++c) sums[r][c] = fma(w, x[c], sums[r][c]);
    }
  }
  if (i < n) {
    for (size_t r = 0; r < R; ++r) {
      const F32 w = rows.load_n(row[r], i, n - i);
      for (size_t c = 0; c < C; ++c) sums[r][c] = fma(w, F32::load_n(xs[c] + i, n - i), sums[r][c]);
    }
  }
  if (first + R - 1 <= last) {
#pragma GCC unroll 2
    for (size_t r = 0; r < R; r += 4) {
#pragma GCC unroll 8
      for (size_t c = 0; c < C; ++c) F32::sums(sums[r][c], sums[r + 1][c], sums[r + 2][c], sums[r + 3][c], out + c * stride + r);
    }
    return;
  }
  for (size_t c = 0; c < C; ++c) {
    for (size_t r = 0; first + r <= last; ++r) out[c * stride + r] = sums[r][c].sum();
  }
}

template <size_t C, class Rows>
inline void dot_column(const Rows& rows, size_t row_count, const float* const* xs, size_t n, float* out, size_t stride) {
  size_t r = 0;
  if constexpr (C == 1) {
    for (; r + 8 <= row_count; r += 8) dot_block<8, 1>(rows, r, row_count - 1, xs, n, out + r, stride);
  }
  for (; r < row_count; r += 4) dot_block<4, C>(rows, r, row_count - 1, xs, n, out + r, stride);
}

/** The same for the last columns, fewer than C + 1. */
template <size_t C, class Rows>
inline void dot_rest(size_t columns, const Rows& rows, size_t row_count, const float* const* xs, size_t n, float* out, size_t stride) {
  if constexpr (C > 0) {
    if (columns == C) dot_column<C>(rows, row_count, xs, n, out, stride);
    else dot_rest<C - 1>(columns, rows, row_count, xs, n, out, stride);
  }
}

/** out[c * stride + r] = Σ_i rows[r][i] * xs[c][i] for all r < row_count, c < x_count */
template <class Rows>
DTS_NOINLINE void stored_dots(const Rows& rows, size_t row_count, const float* const* xs, size_t x_count, size_t n, float* out, size_t stride) {
  constexpr size_t C = F32::dot_cols;
  size_t c = 0;
  for (; c + C <= x_count; c += C) dot_column<C>(rows, row_count, xs + c, n, out + c * stride, stride);
  dot_rest<C - 1>(x_count - c, rows, row_count, xs + c, n, out + c * stride, stride);
}
/** The same for floats. */
inline void dots(const float* const* rows, size_t row_count, const float* const* xs, size_t x_count, size_t n, float* out,
                 size_t stride) {
  stored_dots(F32Rows{rows}, row_count, xs, x_count, n, out, stride);
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
  constexpr size_t H = F32::sum_rows, V = F32::sum_vectors;
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
