// The paged cache: for each field an array of [pages * page_size, width].
#pragma once
#include <cstdint>
#include <vector>

#include "memory.h"

namespace dts {

struct CacheField {
  CacheField(size_t rows, size_t width_) : width(width_), data(rows * width_) {}
  size_t width;
  Buffer<float> data;
};

struct Cache {
  size_t page_size = 0;
  size_t pages = 0;
  std::vector<CacheField> fields;
};

}  // namespace dts
