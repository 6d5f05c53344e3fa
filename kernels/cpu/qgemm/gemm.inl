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
    I32 dot[kSide];
    DTS_UNROLL for (size_t n = 0; n < kSide; ++n) xb[n] = at(x[i + n], offset);
    if constexpr (Fmt::kHalves) {
      I32 other[kSide];
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        dot[n] = I32::splat(xb[n]->start32[0]);
        other[n] = I32::splat(xb[n]->start32[1]);
      }
      dots<Fmt::kMaxCode, 0, 4>(dot, codes, xb);
      dots<Fmt::kMaxCode, 4, 4>(other, codes, xb);
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
        acc[i + n] = fma(scaled(dot[n], w.scale, w.shift), F32::splat(xb[n]->d), acc[i + n]);
        acc[i + n] = fma(scaled(other[n], w.second, w.second_shift), F32::splat(xb[n]->d), acc[i + n]);
      }
    } else {
      DTS_UNROLL for (size_t n = 0; n < kSide; ++n) dot[n] = I32::splat(Fmt::start(*xb[n]));
      dots<Fmt::kMaxCode, 0, 8>(dot, codes, xb);
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

// The same for a few blocks that are unpacked already: sums += instead of =.
template <class Fmt, size_t N>
void tile_step(const Block* unpacked, size_t first, size_t last, const QBlock* const* x, float* sums) {
  F32 acc[N];
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i] = F32::load(sums + i * kLanes);
  for (size_t b = first; b < last; ++b, ++unpacked) {
    U8 codes[8];
    DTS_UNROLL for (size_t j = 0; j < 8; ++j) codes[j] = unpacked->codes[j];
    add_block<Fmt>(acc, codes, unpacked->scales, x, b);
  }
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i].store(sums + i * kLanes);
}

// Calls visit(first, N as a constant) for tiles of kMaxRows and smaller powers of two that cover n rows.
template <size_t N = kMaxRows, class Visit>
DTS_INLINE void for_tiles(size_t first, size_t n, Visit&& visit) {
  for (; n - first >= N; first += N) visit(first, std::integral_constant<size_t, N>{});
  if constexpr (N > 1) for_tiles<N / 2>(first, n, visit);
}

// Activation rows that stay in the second-level cache while all panels of the band pass by.
inline constexpr size_t kRowsPerPass = 64;

// sums[i * kLanes + r] for n <= kRowsPerPass activation rows. Where these are several tiles, each step of the panel is
// unpacked once for all of them; the sums are the same bits, since their order is.
template <Type kType>
void panel_product(const uint8_t* panel, size_t blocks, const QBlock* const* x, size_t n, float* sums) {
  using Fmt = Format<kType>;
  if (kType == Type::Q8_0 || n <= kMaxRows) {
    for_tiles(0, n, [&](size_t i, auto size) { tile<Fmt, size>(panel, blocks, x + i, sums + i * kLanes); });
    return;
  }
  for (size_t i = 0; i < n; ++i) F32::zero().store(sums + i * kLanes);
  for (size_t first = 0; first < blocks; first += kBlocksPerStep) {
    const size_t last = blocks - first < kBlocksPerStep ? blocks : first + kBlocksPerStep;
    Block unpacked[kBlocksPerStep];
    Fmt::walk(panel, first, last, [&](size_t b, const U8(&codes)[8], F32 scale, F32 second) DTS_INLINE_LAMBDA {
      Block& to = unpacked[b - first];
      DTS_UNROLL for (size_t j = 0; j < 8; ++j) to.codes[j] = codes[j];
      to.scales = scales_of(scale, second);
    });
    for_tiles(0, n, [&](size_t i, auto size) { tile_step<Fmt, size>(unpacked, first, last, x + i, sums + i * kLanes); });
  }
}

using PanelProduct = void (*)(const uint8_t* panel, size_t blocks, const QBlock* const* x, size_t n, float* sums);

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
  void panel(size_t row, const QBlock* const* x, size_t n, float* sums) const {
    product_(packed_ + row / kLanes * panel_bytes_, blocks_, x, n, sums);
  }

 private:
  PanelProduct product_;
  const uint8_t* packed_;
  size_t blocks_, panel_bytes_;
};

// Calls visit(row, count, first, x, n) for every panel of the band, which has `count` of its rows from `row`, and every
// pass of n activation rows from `first`.
template <class Visit>
DTS_INLINE void for_panels(size_t row0, size_t row1, size_t cols, const Activations& x, Visit&& visit) {
  for (size_t first = 0; first < x.n; first += kRowsPerPass) {
    const size_t n = x.n - first < kRowsPerPass ? x.n - first : kRowsPerPass;
    const QBlock* rows[kRowsPerPass];
    for (size_t i = 0; i < n; ++i) rows[i] = x.rows + (x.index ? x.index[first + i] : first + i) * (cols / kColumnsPerBlock);
    for (size_t row = row0; row < row1; row += kLanes) visit(row, row1 - row < kLanes ? row1 - row : kLanes, first, rows, n);
  }
}

// Stores n rows of `count` sums.
DTS_INLINE void store_sums(const float* sums, size_t n, size_t count, float* out, size_t ldo) {
  if (count == kLanes) {
    for (size_t i = 0; i < n; ++i) F32::load(sums + i * kLanes).store(out + i * ldo);
  } else {
    for (size_t i = 0; i < n; ++i) std::memcpy(out + i * ldo, sums + i * kLanes, count * sizeof(float));
  }
}

inline void gemm(const Matrix& w, size_t row0, size_t row1, const Activations& x, float* out, size_t ldo) {
  const Operand weights(w);
  for_panels(row0, row1, w.cols, x, [&](size_t row, size_t count, size_t first, const QBlock* const* rows, size_t n) {
    float sums[kRowsPerPass * kLanes];
    weights.panel(row, rows, n, sums);
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
    float g[kRowsPerPass * kLanes], u[kRowsPerPass * kLanes];
    gates.panel(row, rows, n, g);
    ups.panel(row, rows, n, u);
    for (size_t i = 0; i < n * kLanes; i += kLanes) (silu(F32::load(g + i)) * F32::load(u + i)).store(g + i);
    store_sums(g, n, count, out + first * ldo + row - row0, ldo);
  });
}

}  // namespace dts::qgemm::DTS_TARGET
