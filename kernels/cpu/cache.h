// The paged cache: for each field an array of [pages * page_size, width].
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

#include "dtype.h"
#include "memory.h"

namespace dts {

/** One field of one layer. A row of Q8_0 is filled up to whole blocks. */
struct CacheField {
  /** @param planned it has its sizes only */
  CacheField(size_t rows, size_t width_, DType dtype_, bool planned)
      : width(width_),
        dtype(dtype_),
        row_bytes(bytes_of(dtype_, (width_ + info(dtype_).block_elements - 1) / info(dtype_).block_elements *
                                       info(dtype_).block_elements)),
        data(planned ? Buffer<uint8_t>::planned(rows * row_bytes) : Buffer<uint8_t>(rows * row_bytes)) {}

  size_t width;
  /** F32, F16 or Q8_0 */
  DType dtype;
  size_t row_bytes;
  Buffer<uint8_t> data;

  uint8_t* row(size_t i) const { return data.data() + i * row_bytes; }
  /** A row of an F32 field. */
  float* floats(size_t i) const { return reinterpret_cast<float*>(row(i)); }
};

struct Cache {
  size_t page_size = 0;
  size_t pages = 0;
  std::vector<CacheField> fields;

  /** Of all fields. */
  size_t page_bytes() const {
    size_t bytes = 0;
    for (const CacheField& field : fields) bytes += page_size * field.row_bytes;
    return bytes;
  }

  /** The rows of a page, field after field. `to` has page_bytes(). */
  void read_page(size_t page, uint8_t* to) const {
    for (const CacheField& field : fields) {
      const size_t bytes = page_size * field.row_bytes;
      std::memcpy(to, field.row(page * page_size), bytes);
      to += bytes;
    }
  }

  /** `from` as read_page left it. */
  void write_page(size_t page, const uint8_t* from) {
    for (const CacheField& field : fields) {
      const size_t bytes = page_size * field.row_bytes;
      std::memcpy(field.row(page * page_size), from, bytes);
      from += bytes;
    }
  }

  /** Whether there is such a page, with memory, and so many bytes are one. */
  bool is_page(size_t page, size_t bytes) const {
    for (const CacheField& field : fields)
      if (field.data.size() > 0 && !field.data.data()) return false;
    return page < pages && bytes == page_bytes();
  }
};

}  // namespace dts
