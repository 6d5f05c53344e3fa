// The codebooks of the I-quants, ordered for a search: by the codes of the first half of a row.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "../decode/iq_grids.h"

namespace dts {

/** `Width` values a row, each one of `Levels` levels; half a row is one byte of codes. */
template <size_t Rows, size_t Width, size_t Levels>
struct Codebook {
  static constexpr int width = Width, levels = Levels;
  const int8_t* level;
  const Grid<Rows, Width>& grid;
  /** The first halves that occur; the rows with first half firsts[f] are starts[f] up to starts[f + 1] of the next two. */
  std::array<uint8_t, 256> firsts{};
  std::array<uint16_t, 257> starts{};
  int first_count = 0;
  /** The place in `firsts` of each half; first_count for those that do not occur. */
  std::array<uint8_t, 256> place_of{};
  /** Of each row, in this order: the codes of the second half, and where it is in the file format's order. */
  std::array<uint8_t, Rows> seconds{};
  std::array<uint16_t, Rows> rows{};
};

template <size_t Levels, size_t Width, size_t Rows>
consteval Codebook<Rows, Width, Levels> make_codebook(const int8_t* level, const Grid<Rows, Width>& grid,
                                                      const uint16_t (&packed)[Rows]) {
  Codebook<Rows, Width, Levels> book{level, grid};
  std::array<uint16_t, 257> next{};
  for (const uint16_t codes : packed) ++next[(codes & 255) + 1];
  for (size_t first = 0; first < 256; ++first) {
    if (next[first + 1] > 0) {
      book.place_of[first] = static_cast<uint8_t>(book.first_count);
      book.firsts[book.first_count] = static_cast<uint8_t>(first);
      book.starts[book.first_count++] = next[first];
    }
    next[first + 1] = static_cast<uint16_t>(next[first + 1] + next[first]);
  }
  book.starts[book.first_count] = Rows;
  for (size_t first = 0; first < 256; ++first) {
    if (book.firsts[book.place_of[first]] != first) book.place_of[first] = static_cast<uint8_t>(book.first_count);
  }
  for (size_t row = 0; row < Rows; ++row) {
    const size_t place = next[packed[row] & 255]++;
    book.seconds[place] = static_cast<uint8_t>(packed[row] >> 8);
    book.rows[place] = static_cast<uint16_t>(row);
  }
  return book;
}

inline constexpr auto kIq2XxsBook = make_codebook<3>(kIq2Levels, kIq2XxsGrid, kIq2XxsPacked);
inline constexpr auto kIq2XsBook = make_codebook<3>(kIq2Levels, kIq2XsGrid, kIq2XsPacked);
inline constexpr auto kIq2SBook = make_codebook<3>(kIq2Levels, kIq2SGrid, kIq2SPacked);
inline constexpr auto kIq1Book = make_codebook<3>(kIq1Levels, kIq1Grid, kIq1Packed);
inline constexpr auto kIq3XxsBook = make_codebook<8>(kIq3XxsLevels, kIq3XxsGrid, kIq3XxsPacked);
inline constexpr auto kIq3SBook = make_codebook<8>(kIq3SLevels, kIq3SGrid, kIq3SPacked);

}  // namespace dts
