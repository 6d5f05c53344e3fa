// Super-blocks of 256 values that are rows of a codebook times d (2 scale + 1), signs or a shift beside.
namespace dts::DTS_TARGET {

/** How a codebook's row becomes signed: any signs, an even number of minus signs, or none and an eighth more or less. */
enum class Signs { any, even, shifted };

/** A format: each `Sub` values have one of `Scales` scales (with Signs::shifted, each 32 or each 8 values have one shift). */
template <const auto& Book, Signs kSignsOf, int Sub, int Scales>
struct GridFormat {
  static constexpr const auto& book = Book;
  static constexpr Signs signs = kSignsOf;
  static constexpr int sub = Sub, scales = Scales;
};

/** Eight values: their rows (one of 8 or two of 4), and which are negative (for a shift: 255 is down, 0 up). */
struct Cell {
  uint16_t rows[2] = {};
  uint8_t signs = 0;
};

/** x ~ scale v with the values v of some cells: sums of w (x - scale v)^2, w x v and w v v. */
struct GridFit {
  float error = 0, xv = 0, vv = 0;
};

/** What a cell stands for, at scale 1. */
template <class Format>
inline void cell_values(const Cell& cell, float (&v)[8]) {
  constexpr int kWidth = std::remove_cvref_t<decltype(Format::book)>::width;
  for (int i = 0; i < 8; ++i) {
    const float value = static_cast<float>(Format::book.grid[cell.rows[i / kWidth]][i % kWidth]);
    if constexpr (Format::signs == Signs::shifted) v[i] = value + (cell.signs ? -0.125f : 0.125f);
    else v[i] = ((cell.signs >> i) & 1) ? -value : value;
  }
}

template <class Format>
inline GridFit fit_of(const float* x, const float* w, float scale, const Cell& cell) {
  float values[8];
  cell_values<Format>(cell, values);
  const F32 xs = F32::load(x), ws = F32::load(w), v = F32::load(values);
  const F32 gap = sub(xs, mul(F32::splat(scale), v)), wv = mul(ws, v);
  return {sum_lanes(mul(mul(ws, gap), gap)), sum_lanes(mul(wv, xs)), sum_lanes(mul(wv, v))};
}

/** The best cell at a scale: exact over all rows and all signs that the format allows. */
template <class Format>
inline Cell best_cell(const float* x, const float* w, float scale, float shift) {
  using Book = std::remove_cvref_t<decltype(Format::book)>;
  constexpr int kWidth = Book::width, kRows = 8 / kWidth, kHalf = kWidth / 2;
  const F32 xs = F32::load(x), ws = F32::load(w);
  F32 targets = sub(xs, F32::splat(scale * shift));
  Cell cell;
  if constexpr (Format::signs == Signs::shifted) {
    cell.signs = shift < 0 ? 255 : 0;
  } else {
    targets = max(xs, sub(F32::zero(), xs));
    for (int i = 0; i < 8; ++i) cell.signs = static_cast<uint8_t>(cell.signs | ((x[i] < 0 ? 1 : 0) << i));
  }
  // One sign too many or too few: the one whose change costs least is changed, and what it costs is the row's toll.
  const bool odd = Format::signs == Signs::even && even_signs(cell.signs & 127u) != cell.signs;
  float of_level[Book::levels][8], toll_of_level[Book::levels][8], least[8], nearest_level[8], target[8];
  F32 lowest = F32::splat(std::numeric_limits<float>::infinity()), at = F32::zero();
  for (int l = 0; l < Book::levels; ++l) {
    const F32 value = F32::splat(scale * static_cast<float>(Format::book.level[l]));
    const F32 gap = sub(targets, value), wt = mul(ws, targets);
    const F32 cost = mul(mul(ws, gap), gap);
    cost.store(of_level[l]);
    if (odd) mul(mul(F32::splat(4), wt), value).store(toll_of_level[l]);
    at = where_less(cost, lowest, F32::splat(static_cast<float>(l)), at);
    lowest = min(cost, lowest);
  }
  lowest.store(least);
  at.store(nearest_level);
  targets.store(target);
  const auto sum = [](float a, float b) { return a + b; };
  const auto lesser = [](float a, float b) { return a < b ? a : b; };
  float plain[kRows] = {}, tolled[kRows] = {};
  uint16_t with_toll[kRows] = {};
  for (int r = 0; r < kRows; ++r) {
    HalfCosts costs, tolls;
    costs.least_second = 0;
    costs.likely_first = 0;
    for (int i = 0; i < kHalf; ++i) {
      costs.least_second += least[r * kWidth + kHalf + i];
      costs.likely_first |= static_cast<int>(nearest_level[r * kWidth + i]) << (16 / kWidth * i);
    }
    spread<Book>(of_level, r * kWidth, sum, costs.cost);
    const Match match = cheapest_row(Format::book, costs, nullptr);
    cell.rows[r] = static_cast<uint16_t>(match.row);
    plain[r] = match.cost;
    if (!odd) continue;
    spread<Book>(toll_of_level, r * kWidth, lesser, tolls.cost);
    const Match paid = cheapest_row(Format::book, costs, &tolls);
    with_toll[r] = static_cast<uint16_t>(paid.row);
    tolled[r] = paid.cost;
  }
  if (!odd) return cell;
  const int payer = kRows == 2 && plain[0] + tolled[1] < tolled[0] + plain[1] ? 1 : 0;
  cell.rows[payer] = with_toll[payer];
  int flip = 0;
  float lowest_toll = std::numeric_limits<float>::infinity();
  for (int i = 0; i < kWidth; ++i) {
    const float level = static_cast<float>(Format::book.grid[cell.rows[payer]][i]);
    const float toll = w[payer * kWidth + i] * target[payer * kWidth + i] * level;
    if (toll < lowest_toll) {
      lowest_toll = toll;
      flip = payer * kWidth + i;
    }
  }
  cell.signs = static_cast<uint8_t>(cell.signs ^ (1 << flip));
  return cell;
}

/** The best cells of a sub-block at a scale. */
template <class Format>
inline GridFit best_cells(const float* x, const float* w, float scale, Cell* cells) {
  constexpr int kCells = Format::sub / 8;
  constexpr bool kSharedShift = Format::sub == 32;
  GridFit all;
  if constexpr (Format::signs == Signs::shifted) {
    Cell up[kCells], down[kCells];
    GridFit ups[kCells], downs[kCells], up_all, down_all;
    for (int c = 0; c < kCells; ++c) {
      up[c] = best_cell<Format>(x + c * 8, w + c * 8, scale, 0.125f);
      down[c] = best_cell<Format>(x + c * 8, w + c * 8, scale, -0.125f);
      ups[c] = fit_of<Format>(x + c * 8, w + c * 8, scale, up[c]);
      downs[c] = fit_of<Format>(x + c * 8, w + c * 8, scale, down[c]);
      up_all.error += ups[c].error;
      down_all.error += downs[c].error;
    }
    for (int c = 0; c < kCells; ++c) {
      const bool is_up = kSharedShift ? up_all.error <= down_all.error : ups[c].error <= downs[c].error;
      cells[c] = is_up ? up[c] : down[c];
      const GridFit& fit = is_up ? ups[c] : downs[c];
      all = {all.error + fit.error, all.xv + fit.xv, all.vv + fit.vv};
    }
  } else {
    for (int c = 0; c < kCells; ++c) {
      cells[c] = best_cell<Format>(x + c * 8, w + c * 8, scale, 0);
      const GridFit fit = fit_of<Format>(x + c * 8, w + c * 8, scale, cells[c]);
      all = {all.error + fit.error, all.xv + fit.xv, all.vv + fit.vv};
    }
  }
  return all;
}

template <class Format>
struct GridBlock {
  static constexpr int kSubs = 256 / Format::sub, kCells = Format::sub / 8;
  float d = 0;
  int scale[kSubs] = {};
  Cell cells[kSubs][kCells] = {};
};

/** The scale of a sub-block alone, and how much each deviation from it counts. */
struct Wanted {
  float scale = 0, weight = 0;
};

template <class Format>
inline Wanted wanted_scale(const float* x, const float* w, const Places& places) {
  Wanted best;
  float gain = 0;
  const float largest = largest_magnitude(x, Format::sub);
  if (largest < 1e-30f) return best;
  Cell cells[Format::sub / 8];
  const auto attempt = [&](float scale) {
    const GridFit fit = best_cells<Format>(x, w, scale, cells);
    if (!(fit.vv > 0) || !(fit.xv > 0) || !(fit.xv * fit.xv / fit.vv > gain)) return false;
    gain = fit.xv * fit.xv / fit.vv;
    best = {fit.xv / fit.vv, fit.vv};
    return true;
  };
  for (int step = 0; step < places.steps; ++step) {
    const float part = static_cast<float>(step) / static_cast<float>(places.steps - 1);
    attempt(largest / (places.from + (places.to - places.from) * part));
  }
  for (int turn = 0; turn < 3 && gain > 0; ++turn) {
    if (!attempt(best.scale)) break;
  }
  return best;
}

template <int Scales>
inline int scale_index(float scale, float d) {
  const float index = nearest(0.5f * (scale / d - 1));
  return static_cast<int>(std::max(0.0f, std::min(index, static_cast<float>(Scales - 1))));
}

/** The d whose multiples come closest to what the sub-blocks want. */
template <class Format>
inline float common_scale(const Wanted (&wanted)[256 / Format::sub], float widest) {
  constexpr float kTop = 2 * Format::scales - 1;
  float best = 0, least = std::numeric_limits<float>::infinity();
  for (int step = 0; step < 48; ++step) {
    const float d = widest / (kTop * (1.08f - 0.016f * static_cast<float>(step)));
    float error = 0;
    for (const Wanted& each : wanted) {
      const float gap = each.scale - d * static_cast<float>(2 * scale_index<Format::scales>(each.scale, d) + 1);
      error += each.weight * gap * gap;
    }
    if (error < least) {
      least = error;
      best = d;
    }
  }
  return best;
}

/** @param unit what d is multiplied with beside 2 scale + 1, a power of two */
template <class Format>
inline GridBlock<Format> fit_grid_block(const float* x, const float* w, float unit, const Places& places) {
  using Block = GridBlock<Format>;
  Wanted wanted[Block::kSubs];
  float widest = 0;
  for (int s = 0; s < Block::kSubs; ++s) {
    wanted[s] = wanted_scale<Format>(x + s * Format::sub, w + s * Format::sub, places);
    widest = std::max(widest, wanted[s].scale);
  }
  Block best;
  if (widest == 0) return best;
  float least = std::numeric_limits<float>::infinity();
  Block block;
  block.d = as_f16(common_scale<Format>(wanted, widest) / unit);
  for (int turn = 0; turn < 3 && block.d > 0; ++turn) {
    float total = 0, top = 0, bottom = 0;
    for (int s = 0; s < Block::kSubs; ++s) {
      // The two multiples on either side of the wanted scale.
      const float place = 0.5f * (wanted[s].scale / (block.d * unit) - 1);
      const int below = static_cast<int>(std::max(0.0f, std::min(place, static_cast<float>(Format::scales - 2))));
      GridFit chosen;
      chosen.error = std::numeric_limits<float>::infinity();
      for (int scale = below; scale <= below + 1; ++scale) {
        Cell cells[Block::kCells];
        const float step = block.d * unit * static_cast<float>(2 * scale + 1);
        const GridFit fit = best_cells<Format>(x + s * Format::sub, w + s * Format::sub, step, cells);
        if (!(fit.error < chosen.error)) continue;
        chosen = fit;
        block.scale[s] = scale;
        std::copy(cells, cells + Block::kCells, block.cells[s]);
      }
      const float multiple = unit * static_cast<float>(2 * block.scale[s] + 1);
      total += chosen.error;
      top += multiple * chosen.xv;
      bottom += multiple * multiple * chosen.vv;
    }
    if (!(total < least)) break;
    least = total;
    best = block;
    if (!(bottom > 0)) break;
    block.d = as_f16(top / bottom);
    if (block.d == best.d) break;
  }
  return best;
}

}  // namespace dts::DTS_TARGET
