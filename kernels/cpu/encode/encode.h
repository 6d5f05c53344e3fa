// Rows of one element type to another: what a quantiser does with a tensor. The bytes do not depend on the target or the threads.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../dtype.h"
#include "../pool.h"

namespace dts {

/** Whole rows to convert. */
struct EncodeJob {
  DType from;
  const uint8_t* in;
  DType to;
  uint8_t* out;
  size_t rows, cols;
  /**
   * How much an error at each column counts, `cols` numbers for every `rows_per_importance` rows; null counts all alike.
   * Where all numbers of a block are zero, its errors count alike.
   */
  const float* importance;
  size_t rows_per_importance;
};

/** Types that encode_rows() writes. */
bool can_encode(DType to);

/**
 * Converts all rows on the pool's threads.
 * @returns the first row with a value that is not finite or that the type cannot hold (`job.rows` where there is none), or
 *   nothing useful when the pool was aborted
 */
size_t encode_rows(const EncodeJob& job, Pool& pool);

/** One target's share of the above: rows [first, first + count); `scratch` holds 2 * cols floats. @returns as above */
using EncodeRange = size_t (*)(const EncodeJob& job, size_t first, size_t count, float* scratch);
extern const EncodeRange kEncodeScalar;
#if defined(__x86_64__) || defined(_M_X64)
extern const EncodeRange kEncodeAvx2;
#endif

}  // namespace dts
