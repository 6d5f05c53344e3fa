// The products: register tiles of one panel (kLanes weight rows) by up to kMaxRows activation rows.
namespace dts::qgemm::DTS_TARGET {

DTS_INLINE const QBlock* at(const QBlock* row, size_t offset) {
  return reinterpret_cast<const QBlock*>(reinterpret_cast<const char*>(row) + offset);
}

// The scales of 32 columns as add_block takes them: those of walk() with their shifts.
struct Scales {
  F32 scale, shift, second, second_shift;
};

DTS_INLINE Scales scales_of(F32 scale, F32 second) { return {scale, shift_of(scale), second, shift_of(second)}; }

// acc[i] lane r += the 32 products of row r of a panel with activation row x[i], for block b.
template <class Fmt, size_t N>
DTS_INLINE void add_block(F32 (&acc)[N], const U8 (&codes)[8], const Scales& w, const QBlock* const* x, size_t b) {
  constexpr size_t kSide = N < kChains ? N : kChains;
  size_t offset = b * sizeof(QBlock);  // added to each row anew: N running pointers would not fit the registers
  DTS_OPAQUE(offset);
  DTS_UNROLL for (size_t i = 0; i < N; i += kSide) {
    const QBlock* xb[kSide];
    const int8_t* q[kSide];
    I32 dot[kSide];
    DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
      xb[n] = at(x[i + n], offset);
      q[n] = xb[n]->q;
    }
    if constexpr (Fmt::kHalves) {
      I32 other[kSide];
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        dot[n] = I32::splat(xb[n]->start32[0]);
        other[n] = I32::splat(xb[n]->start32[1]);
      }
      dots<Fmt::kMaxCode, 0, 4>(dot, codes, q);
      dots<Fmt::kMaxCode, 4, 4>(other, codes, q);
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        acc[i + n] = fma(scaled(dot[n], w.scale, w.shift), F32::splat(xb[n]->d), acc[i + n]);
        acc[i + n] = fma(scaled(other[n], w.second, w.second_shift), F32::splat(xb[n]->d), acc[i + n]);
      }
    } else {
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) dot[n] = I32::splat(Fmt::start(*xb[n]));
      dots<Fmt::kMaxCode, 0, 8>(dot, codes, q);
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        acc[i + n] = fma(scaled(dot[n], w.scale, w.shift), F32::splat(xb[n]->d), acc[i + n]);
        if constexpr (Fmt::kMinimum) acc[i + n] = fma(w.second, F32::splat(xb[n]->dsum), acc[i + n]);
      }
    }
  }
}

// A register tile: sums[i * kLanes + r] = the product of row r of the panel with activation row x[i], for N of these.
template <class Fmt, size_t N>
void tile(const uint8_t* panel, size_t blocks, const QBlock* const* x, float* sums) {
  F32 acc[N];
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i] = F32::zero();
  Fmt::walk(panel, 0, blocks, [&](size_t b, const U8(&codes)[8], F32 scale, F32 second) DTS_INLINE_LAMBDA {
    add_block<Fmt>(acc, codes, scales_of(scale, second), x, b);
  });
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i].store(sums + i * kLanes);
}

// 32 columns of a panel as add_block takes them.
struct Block {
  U8 codes[8];
  Scales scales;
};

#ifndef DTS_PANEL_DOTS
// dots for panels whose codes lie in memory, where the target has no way of its own.
template <int kMaxCode, size_t kFirst, size_t kCount, size_t P, size_t N>
DTS_INLINE void panel_dots(I32 (&acc)[P][N], const U8* const (&w)[P], const int8_t* const (&x)[N]) {
  DTS_UNROLL for (size_t p = 0; p < P; ++p) {
    U8 codes[8];
    DTS_UNROLL for (size_t j = 0; j < 8; ++j) codes[j] = w[p][j];
    dots<kMaxCode, kFirst, kCount>(acc[p], codes, x);
  }
}
#endif

// As add_block, for P panels whose codes lie in memory: one load of four activations serves all of them.
template <class Fmt, size_t P, size_t N>
DTS_INLINE void add_blocks(F32 (&acc)[P][N], const Block* const (&w)[P], const QBlock* const* x, size_t b) {
  size_t offset = b * sizeof(QBlock);
  DTS_OPAQUE(offset);
  const QBlock* xb[N];
  const int8_t* q[N];
  const U8* codes[P];
  DTS_UNROLL for (size_t n = 0; n < N; ++n) {
    xb[n] = at(x[n], offset);
    q[n] = xb[n]->q;
  }
  DTS_UNROLL for (size_t p = 0; p < P; ++p) codes[p] = w[p]->codes;
  const auto add = [&](const I32(&dot)[P][N], F32 Scales::*scale, F32 Scales::*shift) DTS_INLINE_LAMBDA {
    DTS_UNROLL for (size_t p = 0; p < P; ++p) {
      DTS_UNROLL for (size_t n = 0; n < N; ++n) {
        acc[p][n] = fma(scaled(dot[p][n], w[p]->scales.*scale, w[p]->scales.*shift), F32::splat(xb[n]->d), acc[p][n]);
      }
    }
  };
  I32 dot[P][N];
  const auto start = [&](auto&& of) DTS_INLINE_LAMBDA {
    DTS_UNROLL for (size_t n = 0; n < N; ++n) {
      const I32 first = I32::splat(of(*xb[n]));
      DTS_UNROLL for (size_t p = 0; p < P; ++p) dot[p][n] = first;
    }
  };
  if constexpr (Fmt::kHalves) {
    start([](const QBlock& q) DTS_INLINE_LAMBDA { return q.start32[0]; });
    panel_dots<Fmt::kMaxCode, 0, 4>(dot, codes, q);
    add(dot, &Scales::scale, &Scales::shift);
    start([](const QBlock& q) DTS_INLINE_LAMBDA { return q.start32[1]; });
    panel_dots<Fmt::kMaxCode, 4, 4>(dot, codes, q);
    add(dot, &Scales::second, &Scales::second_shift);
  } else {
    start([](const QBlock& q) DTS_INLINE_LAMBDA { return Fmt::start(q); });
    panel_dots<Fmt::kMaxCode, 0, 8>(dot, codes, q);
    add(dot, &Scales::scale, &Scales::shift);
    if constexpr (Fmt::kMinimum) {
      DTS_UNROLL for (size_t p = 0; p < P; ++p) {
        DTS_UNROLL for (size_t n = 0; n < N; ++n) acc[p][n] = fma(w[p]->scales.second, F32::splat(xb[n]->dsum), acc[p][n]);
      }
    }
  }
}

// The same as tile for a few blocks of P panels that are unpacked already, and += instead of =. Panel p has
// unpacked[p * kBlocksPerStep ...] and the sums from p * stride.
template <class Fmt, size_t P, size_t N>
void tile_step(const Block* unpacked, size_t first, size_t last, const QBlock* const* x, float* sums, size_t stride) {
  F32 acc[P][N];
  DTS_UNROLL for (size_t p = 0; p < P; ++p) {
    DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[p][i] = F32::load(sums + p * stride + i * kLanes);
  }
  for (size_t b = first; b < last; ++b, ++unpacked) {
    if constexpr (P == 1) {
      U8 codes[8];
      DTS_UNROLL for (size_t j = 0; j < 8; ++j) codes[j] = unpacked->codes[j];
      add_block<Fmt>(acc[0], codes, unpacked->scales, x, b);
    } else {
      const Block* blocks[P];
      DTS_UNROLL for (size_t p = 0; p < P; ++p) blocks[p] = unpacked + p * kBlocksPerStep;
      add_blocks<Fmt>(acc, blocks, x, b);
    }
  }
  DTS_UNROLL for (size_t p = 0; p < P; ++p) {
    DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[p][i].store(sums + p * stride + i * kLanes);
  }
}

// Calls visit(first, N as a constant) for tiles of kMaxRows and smaller powers of two that cover n rows.
template <size_t N = kMaxRows, class Visit>
DTS_INLINE void for_tiles(size_t first, size_t n, Visit&& visit) {
  for (; n - first >= N; first += N) visit(first, std::integral_constant<size_t, N>{});
  if constexpr (N > 1) for_tiles<N / 2>(first, n, visit);
}

// Activation rows that stay in the second-level cache while all panels of the band pass by.
inline constexpr size_t kRowsPerPass = 64;
inline constexpr size_t kPanelSums = kRowsPerPass * kLanes;

// P panels, one after the other in memory, with each step of them unpacked once for all n activation rows.
template <class Fmt, size_t P>
void unpacked_product(const uint8_t* panel, size_t panel_bytes, size_t blocks, const QBlock* const* x, size_t n, float* sums) {
  for (size_t p = 0; p < P; ++p) {
    for (size_t i = 0; i < n; ++i) F32::zero().store(sums + p * kPanelSums + i * kLanes);
  }
  for (size_t first = 0; first < blocks; first += kBlocksPerStep) {
    const size_t last = blocks - first < kBlocksPerStep ? blocks : first + kBlocksPerStep;
    Block unpacked[P * kBlocksPerStep];
    for (size_t p = 0; p < P; ++p) {
      Fmt::walk(panel + p * panel_bytes, first, last, [&](size_t b, const U8(&codes)[8], F32 scale, F32 second) DTS_INLINE_LAMBDA {
        Block& to = unpacked[p * kBlocksPerStep + b - first];
        DTS_UNROLL for (size_t j = 0; j < 8; ++j) to.codes[j] = codes[j];
        to.scales = scales_of(scale, second);
      });
    }
    for_tiles(0, n, [&](size_t i, auto size) {
      tile_step<Fmt, P, size>(unpacked, first, last, x + i, sums + i * kLanes, kPanelSums);
    });
  }
}

// sums[p * kPanelSums + i * kLanes + r] for `panels` <= kPanels panels and n <= kRowsPerPass activation rows: the same bits
// whatever these are, since the order of the sums is.
template <Type kType>
void panel_product(const uint8_t* panel, size_t panel_bytes, size_t panels, size_t blocks, const QBlock* const* x, size_t n, float* sums) {
  using Fmt = Format<kType>;
  const bool unpack = n > kMaxRows && (kType != Type::Q8_0 || kPanels > 1);
  if constexpr (kPanels > 1) {
    if (unpack && panels == kPanels) return unpacked_product<Fmt, kPanels>(panel, panel_bytes, blocks, x, n, sums);
  }
  for (size_t p = 0; p < panels; ++p, panel += panel_bytes, sums += kPanelSums) {
    if (unpack && kType != Type::Q8_0) {
      unpacked_product<Fmt, 1>(panel, panel_bytes, blocks, x, n, sums);
    } else {
      for_tiles(0, n, [&](size_t i, auto size) { tile<Fmt, size>(panel, blocks, x + i, sums + i * kLanes); });
    }
  }
}

using PanelProduct = void (*)(const uint8_t* panel, size_t panel_bytes, size_t panels, size_t blocks, const QBlock* const* x, size_t n,
                              float* sums);

inline PanelProduct panel_product_of(Type type) {
  switch (type) {
    case Type::Q4_0: return panel_product<Type::Q4_0>;
    case Type::Q4_1: return panel_product<Type::Q4_1>;
    case Type::Q5_0: return panel_product<Type::Q5_0>;
    case Type::Q5_1: return panel_product<Type::Q5_1>;
    case Type::Q8_0: return panel_product<Type::Q8_0>;
    case Type::Q4_K: return panel_product<Type::Q4_K>;
    case Type::Q5_K: return panel_product<Type::Q5_K>;
    case Type::Q6_K: return panel_product<Type::Q6_K>;
    case Type::IQ4_NL: return panel_product<Type::IQ4_NL>;
    case Type::IQ4_XS: break;
  }
  return panel_product<Type::IQ4_XS>;
}

// A packed matrix with what its type decides.
class Operand {
 public:
  explicit Operand(const Matrix& m)
      : product_(panel_product_of(m.type)),
        packed_(m.packed),
        blocks_(m.cols / kColumnsPerBlock),
        panel_bytes_(packed_row_bytes(geometry(m.type), m.cols) * kLanes) {}
  void panels(size_t row, size_t count, const QBlock* const* x, size_t n, float* sums) const {
    product_(packed_ + row / kLanes * panel_bytes_, panel_bytes_, count, blocks_, x, n, sums);
  }

 private:
  PanelProduct product_;
  const uint8_t* packed_;
  size_t blocks_, panel_bytes_;
};

// Calls visit(row, count, first, x, n) for every kPanels panels of the band, which have `count` of its rows from `row`, and
// every pass of n activation rows from `first`.
template <class Visit>
DTS_INLINE void for_panels(size_t row0, size_t row1, size_t cols, const Activations& x, Visit&& visit) {
  for (size_t first = 0; first < x.n; first += kRowsPerPass) {
    const size_t n = x.n - first < kRowsPerPass ? x.n - first : kRowsPerPass;
    const QBlock* rows[kRowsPerPass];
    for (size_t i = 0; i < n; ++i) rows[i] = x.rows + (x.index ? x.index[first + i] : first + i) * (cols / kColumnsPerBlock);
    constexpr size_t kRows = kPanels * kLanes;
    for (size_t row = row0; row < row1; row += kRows) visit(row, row1 - row < kRows ? row1 - row : kRows, first, rows, n);
  }
}

inline size_t panels_of(size_t rows) { return (rows + kLanes - 1) / kLanes; }

// Stores n rows of `count` sums, those of one panel after those of the other.
DTS_INLINE void store_sums(const float* sums, size_t n, size_t count, float* out, size_t ldo) {
  for (; count > 0; sums += kPanelSums, out += kLanes) {
    const size_t some = count < kLanes ? count : kLanes;
    count -= some;
    if (some == kLanes) {
      for (size_t i = 0; i < n; ++i) F32::load(sums + i * kLanes).store(out + i * ldo);
    } else {
      for (size_t i = 0; i < n; ++i) std::memcpy(out + i * ldo, sums + i * kLanes, some * sizeof(float));
    }
  }
}

inline void gemm(const Matrix& w, size_t row0, size_t row1, const Activations& x, float* out, size_t ldo) {
  const Operand weights(w);
  for_panels(row0, row1, w.cols, x, [&](size_t row, size_t count, size_t first, const QBlock* const* rows, size_t n) {
    float sums[kPanels * kPanelSums];
    weights.panels(row, panels_of(count), rows, n, sums);
    store_sums(sums, n, count, out + first * ldo + row - row0, ldo);
  });
}

// e^x, relative error below 2 · 2^-24 for x in [-87, 88]; beyond, the value at the nearer end. Cephes' polynomial.
DTS_INLINE F32 exp(F32 x) {
  x = clamp(x, -87.f, 88.f);
  const I32 n = (x * F32::splat(1.44269504f)).rounded();
  const F32 whole = F32::of(n);
  F32 r = fma(whole, F32::splat(-0.693359375f), x);
  r = fma(whole, F32::splat(2.12194440e-4f), r);
  F32 p = F32::splat(1.9875691500e-4f);
  p = fma(p, r, F32::splat(1.3981999507e-3f));
  p = fma(p, r, F32::splat(8.3334519073e-3f));
  p = fma(p, r, F32::splat(4.1665795894e-2f));
  p = fma(p, r, F32::splat(1.6666665459e-1f));
  p = fma(p, r, F32::splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + F32::splat(1.f);
  return p * F32::bits((n + I32::splat(127)).template shifted_left<23>());
}

DTS_INLINE F32 silu(F32 g) { return g / (exp(g * F32::splat(-1.f)) + F32::splat(1.f)); }

inline void gate_up_silu(const Matrix& gate, const Matrix& up, size_t row0, size_t row1, const Activations& x, float* out,
                         size_t ldo) {
  const Operand gates(gate), ups(up);
  for_panels(row0, row1, gate.cols, x, [&](size_t row, size_t count, size_t first, const QBlock* const* rows, size_t n) {
    float g[kPanels * kPanelSums], u[kPanels * kPanelSums];
    const size_t panels = panels_of(count);
    gates.panels(row, panels, rows, n, g);
    ups.panels(row, panels, rows, n, u);
    for (size_t p = 0; p < panels * kPanelSums; p += kPanelSums) {
      for (size_t i = p; i < p + n * kLanes; i += kLanes) (silu(F32::load(g + i)) * F32::load(u + i)).store(g + i);
    }
    store_sums(g, n, count, out + first * ldo + row - row0, ldo);
  });
}

}  // namespace dts::qgemm::DTS_TARGET
