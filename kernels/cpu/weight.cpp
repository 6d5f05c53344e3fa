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

/** Rows of a piece: a multiple of the table's lanes. */
static size_t piece_rows(const Weight& weight, const PackedWeight& packed) {
  const size_t lanes = packed.table->lanes;
  return std::max<size_t>(1, kPackBytes / (lanes * weight.row_bytes)) * lanes;
}

size_t pack_pieces(const Weight& weight, const PackedWeight& packed) {
  const size_t rows = piece_rows(weight, packed);
  return (packed.rows + rows - 1) / rows;
}

/** Rows of one piece that lie in different runs are brought together first. */
bool pack_piece(const Weight& weight, const PackedWeight& packed, size_t group, size_t piece) {
  const size_t rows = piece_rows(weight, packed), from = piece * rows, count = std::min(rows, packed.rows - from);
  const size_t row = group * packed.rows + from;
  uint8_t* to = packed.data.data() + group * packed.bytes;
  if (weight.rows_in_run(row) >= count) {
    if (!weight.mapping.fetch(weight.row(row), count * weight.row_bytes)) return false;
    packed.table->pack(packed.type, weight.row(row), from, from + count, packed.cols, to);
    return true;
  }
  Buffer<uint8_t> together(count * weight.row_bytes);
  for (size_t r = 0; r < count; ++r) {
    std::memcpy(together.data() + r * weight.row_bytes, weight.row(row + r), weight.row_bytes);
  }
  packed.table->pack(packed.type, together.data(), from, from + count, packed.cols, to);
  return true;
}

namespace {

/** Some pieces of all matrices. */
struct Round {
  const Weight& weight;
  const PackedWeight& packed;
  size_t pieces;  // of a matrix
  size_t first = 0, end = 0;
  std::atomic<bool> cut{false};  // rows are no longer in the file
};

/** @returns false when the pool was told to abort */
bool pack_all(const Weight& weight, const PackedWeight& packed, Pool& pool) {
  Round round{weight, packed, pack_pieces(weight, packed)};
  const auto job = [](void* context, unsigned, Team& team) {
    Round& work = *static_cast<Round*>(context);
    Worker worker{team, nullptr};
    worker.share(work.end - work.first, [&](size_t i) {
      const size_t item = work.first + i;
      if (!pack_piece(work.weight, work.packed, item / work.pieces, item % work.pieces)) work.cut = true;
    });
    return !worker.stopped;
  };
  for (const size_t all = packed.groups * round.pieces; round.end < all;) {
    round.first = round.end;
    round.end = std::min(round.first + kRound, all);
    if (!pool.run(job, &round)) return false;
    if (round.cut || !weight.mapping.intact()) fail((weight.mapping.path() + kCutShort).c_str());
    weight.mapping.drop();
  }
  return true;
}

}  // namespace

bool pack_weight(Weight& weight, const qgemm::Table& table, const Packing& packing, Pool& pool) {
  PackedWeight packed;
  const size_t groups = packing.groups;
  if (groups == 0 || weight.rows % groups != 0 || !packed_type(weight.dtype, packed.type)) return false;
  packed.table = &table;
  packed.groups = groups;
  packed.rows = weight.rows / groups;
  packed.cols = weight.cols;
  const size_t bytes = table.packed_bytes(packed.type, packed.rows, packed.cols);
  if (bytes == 0) return false;
  packed.bytes = (bytes + qgemm::kPackedAlignment - 1) / qgemm::kPackedAlignment * qgemm::kPackedAlignment;
  packed.data = weight.buffer<uint8_t>(groups * packed.bytes);
  const bool keep_rows = packing.keep_rows || weight.mapping.data();
  if (packing.when_chosen && keep_rows) {
    packed.states.assign(groups, PackedWeight::State::waits);
    packed.waiting = groups;
  } else if (!weight.planned && !pack_all(weight, packed, pool)) {
    return false;
  }
  weight.packed = std::move(packed);
  if (!keep_rows) {
    weight.data = Buffer<uint8_t>();
    weight.runs.clear();
  }
  return true;
}

}  // namespace dts
