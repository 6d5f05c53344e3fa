// A weight in memory: the stored blocks of its rows, in a buffer or where the file is mapped, and for `fast` numerics the
// packed form that kernels/cpu/qgemm computes on. `cols` is the inner dimension, all outer ones are rows.
#pragma once
#include <vector>

#include "dtype.h"
#include "mapping.h"
#include "memory.h"
#include "qgemm/qgemm.h"

namespace dts {

/** The matrices of a weight (one, or one for each expert or head) in the panels of one target's qgemm table. */
struct PackedWeight {
  const qgemm::Table* table = nullptr;
  qgemm::Type type{};
  size_t groups = 0;
  /** Of one matrix. */
  size_t rows = 0, cols = 0, bytes = 0;
  Buffer<uint8_t> data;
  /** Where matrices wait until they are chosen: what has become of each, and how many still wait. Steps change it, one at a time. */
  enum class State : uint8_t { waits, listed, ready };
  mutable std::vector<State> states;
  mutable size_t waiting = 0;

  qgemm::Matrix matrix(size_t group) const { return {type, rows, cols, data.data() + group * bytes}; }
};

struct Weight {
  /** @param planned_ it gets its sizes only: nothing can be written to it or computed with it */
  Weight(DType type, size_t row_count, size_t col_count, bool planned_)
      : dtype(type), rows(row_count), cols(col_count), row_bytes(bytes_of(type, col_count)), planned(planned_) {}

  /** Memory for the stored blocks, to be written by the caller. */
  void allocate() {
    data = buffer<uint8_t>(rows * row_bytes);
    runs = {data.data()};
    run_rows = rows;
  }
  /** Memory for a scale of each `block` columns of a row, likewise. */
  void allocate_scales(size_t block) {
    scale_block = block;
    scale_cols = (cols + block - 1) / block;
    scales = buffer<float>(rows * scale_cols);
  }
  template <class T>
  Buffer<T> buffer(size_t count) const {
    return planned ? Buffer<T>::planned(count) : Buffer<T>(count);
  }

  const uint8_t* row(size_t r) const { return runs[r / run_rows] + r % run_rows * row_bytes; }
  /** Rows from r on that lie one after the other. */
  size_t rows_in_run(size_t r) const { return run_rows - r % run_rows; }

  /** Of this process' own memory; a mapped file is the system's. */
  size_t bytes() const { return data.bytes() + packed.data.bytes() + scales.bytes(); }
  size_t mapped_bytes() const { return mapping.data() ? rows * row_bytes : 0; }

  DType dtype;
  size_t rows;
  size_t cols;
  size_t row_bytes;
  bool planned;
  /** The stored rows: equally long runs of `run_rows` rows; none when only the packed form is kept. */
  std::vector<const uint8_t*> runs;
  size_t run_rows = 1;
  /** What the runs point to: one of these. */
  Buffer<uint8_t> data;
  Mapping mapping;
  PackedWeight packed;
  /** FP8 with block scales only: a scale for each `scale_block` columns of a row, [rows, scale_cols]. */
  Buffer<float> scales;
  size_t scale_block = 0;
  size_t scale_cols = 0;
};

/** The type of qgemm that is this one, or false: its products then decode the stored blocks. */
bool packed_type(DType dtype, qgemm::Type& type);

/** Follows the name of a file whose mapped bytes are gone. */
inline constexpr char kCutShort[] = " has become shorter while it was in use; put the whole file back and load the model again";

class Pool;

/** What the packed form is made for. */
struct Packing {
  /** Equal matrices that the rows are. */
  size_t groups = 1;
  /** Whether the stored blocks are still needed; memory of their own is freed otherwise. */
  bool keep_rows = false;
  /** Whether matrices wait until a step chooses them (late_packing.h), as far as the stored rows stay: of a mapped file, or kept. */
  bool when_chosen = false;
};

/**
 * Packs the rows, on the pool's threads.
 * Fails where a mapped file no longer has the rows.
 * @returns false, and changes nothing, where qgemm has no such type, or for rows that are no whole blocks
 */
bool pack_weight(Weight& weight, const qgemm::Table& table, const Packing& packing, Pool& pool);

/** Pieces of work that packing one matrix of the weight is. */
size_t pack_pieces(const Weight& weight, const PackedWeight& packed);

/** Does one of them. @returns false where the mapped file no longer has the rows */
bool pack_piece(const Weight& weight, const PackedWeight& packed, size_t group, size_t piece);

}  // namespace dts
