// A weight in memory: its stored blocks, row after row. `cols` is the inner dimension, all outer ones are rows.
#pragma once
#include "dtype.h"
#include "memory.h"

namespace dts {

struct Weight {
  Weight(DType type, size_t row_count, size_t col_count)
      : dtype(type), rows(row_count), cols(col_count), row_bytes(bytes_of(type, col_count)), data(rows * row_bytes) {}

  size_t bytes() const { return data.bytes() + scales.bytes(); }

  DType dtype;
  size_t rows;
  size_t cols;
  size_t row_bytes;
  Buffer<uint8_t> data;
  /** FP8 with block scales only: a scale for each `scale_block` columns of a row, [rows, scale_cols]. */
  Buffer<float> scales;
  size_t scale_block = 0;
  size_t scale_cols = 0;
};

}  // namespace dts
