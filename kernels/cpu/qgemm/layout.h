// The packed form of a matrix: panels of L rows (L = lanes of the target, one row a lane), one after the other, and in each
// panel the units of its columns, one after the other. A unit is a list of planes; a plane has one item for each row:
//   word plane   L x 4 bytes: what a vector load of the target reads, such as columns 4j..4j+3 of every row
//   half plane   L x 2 bytes, byte plane L bytes; these come in groups that fill word planes, so units stay aligned
//
//   format   unit   planes, in order
//   Q8_0       64   d, d of two blocks (half); of each block: 8 words of codes, sign bit flipped (code + 128)
//   Q4_0       64   d, d (half); of each block: 4 words, low nibbles columns 0..15, high nibbles 16..31
//   IQ4_NL     64   as Q4_0
//   Q5_0       64   d, d (half); of each block: fifth bits (word), 4 words as Q4_0
//   Q4_1       32   d, m (half); 4 words as Q4_0
//   Q5_1       32   d, m (half); fifth bits (word), 4 words
//   Q4_K      256   d, dmin (half); 3 words of scales; of each 64 columns: 8 words, low nibbles columns 0..31, high 32..63
//   Q5_K      256   as Q4_K, with the fifth bits of both 32 (2 words) before each 8 words
//   Q6_K      512   d, d of two blocks (half); of each block: 16 byte planes of scales; of each 64 columns: 4 words of the
//                   upper two bits (2 for each 32 columns), then 8 words as Q4_K
//   IQ4_XS    256   d, upper scale bits (half); lower scale bits (word); of each 32 columns: 4 words as Q4_0
//
// Fifth bits: bit j of byte i of the word belongs to column 4j + i. Upper two bits: bits 2j, 2j+1 of byte i of word h belong
// to column 16h + 4j + i. Where the number of blocks is odd, the last unit of a pair holds one block; its second d is 0.
// Scales of Q4_K and Q5_K, 6 bits each: word 0 scales 0..4, word 1 scales 5..7 and minimums 0, 1, word 2 minimums 2..6,
// and the two bits left in each word together minimum 7, lowest first.
#pragma once
#include <cstddef>
#include <cstdint>
#include "qgemm.h"

namespace dts::qgemm {

// Sizes of one format: of the file's blocks, and a row's share of the packed units.
struct Geometry {
  uint32_t block_columns, block_bytes;
  uint32_t blocks_per_unit;  // 1 or 2
  uint32_t unit_bytes, odd_unit_bytes;
};

constexpr Geometry geometry(Type type) {
  switch (type) {
    case Type::Q4_0: return {32, 18, 2, 36, 20};
    case Type::Q4_1: return {32, 20, 1, 20, 0};
    case Type::Q5_0: return {32, 22, 2, 44, 24};
    case Type::Q5_1: return {32, 24, 1, 24, 0};
    case Type::Q8_0: return {32, 34, 2, 68, 36};
    case Type::Q4_K: return {256, 144, 1, 144, 0};
    case Type::Q5_K: return {256, 176, 1, 176, 0};
    case Type::Q6_K: return {256, 210, 2, 420, 212};
    case Type::IQ4_NL: return {32, 18, 2, 36, 20};
    case Type::IQ4_XS: return {256, 136, 1, 136, 0};
  }
  return {0, 0, 0, 0, 0};
}

// A row's share of a packed panel, in bytes.
constexpr size_t packed_row_bytes(const Geometry& g, size_t cols) {
  const size_t blocks = cols / g.block_columns;
  return blocks / g.blocks_per_unit * g.unit_bytes + blocks % g.blocks_per_unit * g.odd_unit_bytes;
}

}  // namespace dts::qgemm
