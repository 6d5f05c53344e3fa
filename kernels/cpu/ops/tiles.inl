// The matrix product of fast attention: C (+)= A B with the elements of A broadcast and rows of B in vectors, in tiles that
// stay in registers. Each element of C has one accumulator that runs over k in ascending order, whatever the tile: a result
// never depends on what else is computed with it.
namespace dts::DTS_TARGET {

/** A factor whose element (i, k) lies at data[i * row + k * column]. */
struct Left {
  const float* data;
  size_t row, column;
};

/** c[i * ldc + j] (+)= Σ_k a(i, k) * b[k * ldb + j] for i < M, j < N * lanes */
template <size_t M, size_t N>
inline void multiply_tile(const Left& a, const float* b, size_t ldb, size_t depth, bool onto, float* c, size_t ldc) {
  F32 sums[M][N];
#pragma GCC unroll 16
  for (size_t i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (size_t j = 0; j < N; ++j) sums[i][j] = onto ? F32::load(c + i * ldc + j * F32::lanes) : F32::zero();
  }
  const float* left = a.data;
  for (size_t k = 0; k < depth; ++k, left += a.column, b += ldb) {
    F32 right[N];
#pragma GCC unroll 4
    for (size_t j = 0; j < N; ++j) right[j] = F32::load(b + j * F32::lanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < M; ++i) {
      const F32 x = F32::splat(left[i * a.row]);
#pragma GCC unroll 4
      for (size_t j = 0; j < N; ++j) sums[i][j] = fma(x, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (size_t j = 0; j < N; ++j) sums[i][j].store(c + i * ldc + j * F32::lanes);
  }
}

/** The same for the last rows, fewer than M + 1. */
template <size_t M, size_t N>
inline void multiply_rest(size_t rows, const Left& a, const float* b, size_t ldb, size_t depth, bool onto, float* c,
                          size_t ldc) {
  if constexpr (M > 0) {
    if (rows == M) multiply_tile<M, N>(a, b, ldb, depth, onto, c, ldc);
    else multiply_rest<M - 1, N>(rows, a, b, ldb, depth, onto, c, ldc);
  }
}

template <size_t M, size_t N>
inline void multiply_columns(size_t rows, const Left& a, const float* b, size_t ldb, size_t depth, bool onto, float* c,
                             size_t ldc) {
  size_t i = 0;
  for (; i + M <= rows; i += M) {
    multiply_tile<M, N>({a.data + i * a.row, a.row, a.column}, b, ldb, depth, onto, c + i * ldc, ldc);
  }
  multiply_rest<M - 1, N>(rows - i, {a.data + i * a.row, a.row, a.column}, b, ldb, depth, onto, c + i * ldc, ldc);
}

/** c[i * ldc + j] (+)= Σ_k a(i, k) * b[k * ldb + j] for i < rows, j < columns; columns are a multiple of the lanes. */
inline void multiply(size_t rows, size_t columns, const Left& a, const float* b, size_t ldb, size_t depth, bool onto,
                     float* c, size_t ldc) {
  size_t j = 0;
  for (; j + 2 * F32::lanes <= columns; j += 2 * F32::lanes) {
    multiply_columns<6, 2>(rows, a, b + j, ldb, depth, onto, c + j, ldc);
  }
  if (j < columns) multiply_columns<12, 1>(rows, a, b + j, ldb, depth, onto, c + j, ldc);
}

}  // namespace dts::DTS_TARGET
