// The row of a codebook nearest to some values: the one with the smallest sum w (x - scale row)^2, exactly. A row's error is
// the error of its first half plus that of its second, each a look-up among the few halves there are; halves whose error is
// more than the best row's so far are passed over.
namespace dts::DTS_TARGET {

/** What each half of a row would cost, by the byte of its codes. */
struct HalfCosts {
  float cost[2][256];
  /** The least of the second halves, in the codebook or not. */
  float least_second;
  /** The first half of the least cost, in the codebook or not. */
  int likely_first;
};

/** cost[half][codes] = combine of what the levels of the values from `start` on cost. */
template <class Book, class Combine>
inline void spread(const float (&of_level)[Book::levels][8], int start, const Combine& combine, float (&cost)[2][256]) {
  constexpr int kHalf = Book::width / 2;
  for (int half = 0; half < 2; ++half) {
    const int from = start + half * kHalf;
    if constexpr (kHalf == 2) {
      float first[Book::levels];
      for (int a = 0; a < Book::levels; ++a) first[a] = of_level[a][from];
      for (int b = 0; b < Book::levels; ++b) {
        for (int a = 0; a < Book::levels; ++a) cost[half][a | (b << 4)] = combine(first[a], of_level[b][from + 1]);
      }
    } else {
      float low[16] = {}, high[16] = {};
      for (int b = 0; b < Book::levels; ++b) {
        for (int a = 0; a < Book::levels; ++a) {
          low[a | (b << 2)] = combine(of_level[a][from], of_level[b][from + 1]);
          high[a | (b << 2)] = combine(of_level[a][from + 2], of_level[b][from + 3]);
        }
      }
      for (int b = 0; b < Book::levels << 2; ++b) {
        if ((b & 3) == 3) continue;
        for (int a = 0; a < 16; ++a) cost[half][a | (b << 4)] = combine(low[a], high[b]);
      }
    }
  }
}

struct Match {
  int row = 0;
  float cost = std::numeric_limits<float>::infinity();
};

/** The cheapest row. @param toll added to a row's cost: the smaller of what its two halves have here; null adds nothing */
template <class Book>
inline Match cheapest_row(const Book& book, const HalfCosts& costs, const HalfCosts* toll) {
  float least = std::numeric_limits<float>::infinity();
  int place = 0;
  const auto look = [&](int f) {
    const int first = book.firsts[f];
    const float base = costs.cost[0][first];
    if (base + costs.least_second >= least) return;
    for (int r = book.starts[f]; r < book.starts[f + 1]; ++r) {
      const int second = book.seconds[r];
      float cost = base + costs.cost[1][second];
      if (toll) cost += std::min(toll->cost[0][first], toll->cost[1][second]);
      if (cost < least) {
        least = cost;
        place = r;
      }
    }
  };
  // The first half that would be best alone comes first: it leaves little for the others to better.
  const int likely = book.place_of[costs.likely_first];
  if (likely < book.first_count) look(likely);
  for (int f = 0; f < book.first_count; ++f) look(f);
  return {book.rows[place], least};
}

}  // namespace dts::DTS_TARGET
