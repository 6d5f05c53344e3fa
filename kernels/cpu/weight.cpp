#include "weight.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "pool.h"

namespace dts {

bool packed_type(DType dtype, qgemm::Type& type) {
  switch (dtype) {
    case DType::Q4_0: type = qgemm::Type::Q4_0; return true;
    case DType::Q4_1: type = qgemm::Type::Q4_1; return true;
    case DType::Q5_0: type = qgemm::Type::Q5_0; return true;
    case DType::Q5_1: type = qgemm::Type::Q5_1; return true;
    case DType::Q8_0: type = qgemm::Type::Q8_0; return true;
    case DType::Q4_K: type = qgemm::Type::Q4_K; return true;
    case DType::Q5_K: type = qgemm::Type::Q5_K; return true;
    case DType::Q6_K: type = qgemm::Type::Q6_K; return true;
    case DType::IQ4_NL: type = qgemm::Type::IQ4_NL; return true;
    case DType::IQ4_XS: type = qgemm::Type::IQ4_XS; return true;
    default: return false;
  }
}

/** Bytes of stored rows that one piece of work packs, about: they should stay in a cache. */
constexpr size_t kPackBytes = size_t{1} << 18;
/** Pieces of work after which pages of a mapped file are given back: they are in memory twice until then. */
constexpr size_t kRound = 64;

namespace {

struct Packing {
  const Weight& weight;
  const PackedWeight& to;
  size_t chunk_rows;  // a multiple of the table's lanes
  size_t chunks;      // of a matrix
  size_t first = 0, end = 0;  // pieces of the round
  std::atomic<bool> cut{false};  // rows are no longer in the file

  size_t pieces() const { return to.groups * chunks; }

  /** Rows of one chunk that lie in different runs are brought together first. */
  void pack(size_t item) {
    const size_t group = item / chunks, from = item % chunks * chunk_rows, count = std::min(chunk_rows, to.rows - from);
    const size_t row = group * to.rows + from;
    uint8_t* packed = to.data.data() + group * to.bytes;
    if (weight.rows_in_run(row) >= count) {
      if (!weight.mapping.fetch(weight.row(row), count * weight.row_bytes)) cut = true;
      if (cut) return;
      to.table->pack(to.type, weight.row(row), from, from + count, to.cols, packed);
      return;
    }
    Buffer<uint8_t> together(count * weight.row_bytes);
    for (size_t r = 0; r < count; ++r) {
      std::memcpy(together.data() + r * weight.row_bytes, weight.row(row + r), weight.row_bytes);
    }
    to.table->pack(to.type, together.data(), from, from + count, to.cols, packed);
  }
};

}  // namespace

bool pack_weight(Weight& weight, const qgemm::Table& table, size_t groups, bool keep_rows, Pool& pool) {
  PackedWeight packed;
  if (groups == 0 || weight.rows % groups != 0 || !packed_type(weight.dtype, packed.type)) return false;
  packed.table = &table;
  packed.groups = groups;
  packed.rows = weight.rows / groups;
  packed.cols = weight.cols;
  const size_t bytes = table.packed_bytes(packed.type, packed.rows, packed.cols);
  if (bytes == 0) return false;
  packed.bytes = (bytes + qgemm::kPackedAlignment - 1) / qgemm::kPackedAlignment * qgemm::kPackedAlignment;
  packed.data = weight.buffer<uint8_t>(groups * packed.bytes);
  const size_t panel = table.lanes * weight.row_bytes;
  const size_t chunk_rows = std::max<size_t>(1, kPackBytes / panel) * table.lanes;
  Packing packing{weight, packed, chunk_rows, (packed.rows + chunk_rows - 1) / chunk_rows};
  const auto job = [](void* context, unsigned, Team& team) {
    Packing& work = *static_cast<Packing*>(context);
    Worker worker{team, nullptr};
    worker.share(work.end - work.first, [&](size_t item) { work.pack(work.first + item); });
    return !worker.stopped;
  };
  while (!weight.planned && packing.end < packing.pieces()) {
    packing.first = packing.end;
    packing.end = std::min(packing.first + kRound, packing.pieces());
    if (!pool.run(job, &packing)) return false;
    if (packing.cut || !weight.mapping.intact()) fail((weight.mapping.path() + kCutShort).c_str());
    weight.mapping.drop();
  }
  weight.packed = std::move(packed);
  if (!keep_rows && !weight.mapping.data()) {
    weight.data = Buffer<uint8_t>();
    weight.runs.clear();
  }
  return true;
}

}  // namespace dts
