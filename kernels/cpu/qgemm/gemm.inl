// The products: register tiles of one panel (kLanes weight rows) by up to kMaxRows activation rows.
namespace dts::qgemm::DTS_TARGET {

DTS_INLINE const QBlock* at(const QBlock* row, size_t offset) {
  return reinterpret_cast<const QBlock*>(reinterpret_cast<const char*>(row) + offset);
}

// out[i * ldo + r] for the kLanes rows r of a panel and the N activation rows x[i].
template <Type kType, size_t N>
void tile(const uint8_t* panel, size_t blocks, const QBlock* const* x, float* out, size_t ldo) {
  using Fmt = Format<kType>;
  constexpr size_t kSide = N < kChains ? N : kChains;
  F32 acc[N];
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i] = F32::zero();
  Fmt::walk(panel, blocks, [&](size_t b, const U8(&codes)[8], F32 scale, F32 second) DTS_INLINE_LAMBDA {
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
          const F32 sum = fma(F32::of(other[n]), second, F32::of(dot[n]) * scale);
          acc[i + n] = fma(sum, F32::splat(xb[n]->d), acc[i + n]);
        }
      } else {
        DTS_UNROLL for (size_t n = 0; n < kSide; ++n) dot[n] = I32::splat(Fmt::start(*xb[n]));
        dots<Fmt::kMaxCode, 0, 8>(dot, codes, xb);
        DTS_UNROLL for (size_t n = 0; n < kSide; ++n) {
          acc[i + n] = fma(F32::of(dot[n]), scale * F32::splat(xb[n]->d), acc[i + n]);
          if constexpr (Fmt::kMinimum) acc[i + n] = fma(second, F32::splat(xb[n]->dsum), acc[i + n]);
        }
      }
    }
  });
  DTS_UNROLL for (size_t i = 0; i < N; ++i) acc[i].store(out + i * ldo);
}

using Tile = void (*)(const uint8_t* panel, size_t blocks, const QBlock* const* x, float* out, size_t ldo);

// Tiles of 1, 2, 4, 8, 16 rows.
struct Tiles {
  Tile by_log2[5];
};

template <Type kType, size_t... K>
constexpr Tiles make_tiles(std::index_sequence<K...>) {
  return {{tile<kType, (size_t{1} << K <= kMaxRows ? size_t{1} << K : kMaxRows)>...}};
}

template <Type kType>
inline constexpr Tiles kTiles = make_tiles<kType>(std::make_index_sequence<5>{});

inline const Tiles& tiles_of(Type type) {
  switch (type) {
    case Type::Q4_0: return kTiles<Type::Q4_0>;
    case Type::Q4_1: return kTiles<Type::Q4_1>;
    case Type::Q5_0: return kTiles<Type::Q5_0>;
    case Type::Q5_1: return kTiles<Type::Q5_1>;
    case Type::Q8_0: return kTiles<Type::Q8_0>;
    case Type::Q4_K: return kTiles<Type::Q4_K>;
    case Type::Q5_K: return kTiles<Type::Q5_K>;
    case Type::Q6_K: return kTiles<Type::Q6_K>;
    case Type::IQ4_NL: return kTiles<Type::IQ4_NL>;
    case Type::IQ4_XS: break;
  }
  return kTiles<Type::IQ4_XS>;
}

// A packed matrix with what its type decides.
struct Operand {
  explicit Operand(const Matrix& m)
      : tiles(tiles_of(m.type)), packed(m.packed), panel_bytes(packed_row_bytes(geometry(m.type), m.cols) * kLanes) {}
  const uint8_t* panel(size_t row) const { return packed + row / kLanes * panel_bytes; }
  const Tiles& tiles;
  const uint8_t* packed;
  size_t panel_bytes;
};

// Activation rows that stay in the second-level cache while all panels of the band pass by.
inline constexpr size_t kRowsPerPass = 64;

// Calls visit(row, first, log2, x) for every panel of the band and every tile of 2^log2 activation rows from `first`.
template <class Visit>
DTS_INLINE void for_tiles(size_t row0, size_t row1, size_t blocks, const Activations& x, Visit&& visit) {
  for (size_t pass = 0; pass < x.n; pass += kRowsPerPass) {
    const size_t end = x.n - pass < kRowsPerPass ? x.n : pass + kRowsPerPass;
    const QBlock* rows[kRowsPerPass];
    for (size_t i = pass; i < end; ++i) rows[i - pass] = x.rows + (x.index ? x.index[i] : i) * blocks;
    for (size_t row = row0; row < row1; row += kLanes) {
      for (size_t i = pass, n; i < end; i += n) {
        unsigned log2 = 0;
        while ((size_t{2} << log2) <= kMaxRows && (size_t{2} << log2) <= end - i) ++log2;
        n = size_t{1} << log2;
        visit(row, i, log2, rows + (i - pass));
      }
    }
  }
}

// Stores n rows of `count` floats from a buffer of kLanes floats a row.
DTS_INLINE void store_rows(const float* from, size_t n, size_t count, float* out, size_t ldo) {
  for (size_t i = 0; i < n; ++i) std::memcpy(out + i * ldo, from + i * kLanes, count * sizeof(float));
}

inline void gemm(const Matrix& w, size_t row0, size_t row1, const Activations& x, float* out, size_t ldo) {
  const Operand weights(w);
  const size_t blocks = w.cols / kColumnsPerBlock;
  for_tiles(row0, row1, blocks, x, [&](size_t row, size_t first, unsigned log2, const QBlock* const* rows) {
    const Tile tile = weights.tiles.by_log2[log2];
    float* to = out + first * ldo + row;
    if (row1 - row >= kLanes) {
      tile(weights.panel(row), blocks, rows, to, ldo);
    } else {
      float part[kMaxRows * kLanes];
      tile(weights.panel(row), blocks, rows, part, kLanes);
      store_rows(part, size_t{1} << log2, row1 - row, to, ldo);
    }
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
  const size_t blocks = gate.cols / kColumnsPerBlock;
  for_tiles(row0, row1, blocks, x, [&](size_t row, size_t first, unsigned log2, const QBlock* const* rows) {
    float g[kMaxRows * kLanes], u[kMaxRows * kLanes];
    gates.tiles.by_log2[log2](gates.panel(row), blocks, rows, g, kLanes);
    ups.tiles.by_log2[log2](ups.panel(row), blocks, rows, u, kLanes);
    const size_t n = size_t{1} << log2;
    for (size_t i = 0; i < n * kLanes; i += kLanes) (silu(F32::load(g + i)) * F32::load(u + i)).store(g + i);
    const size_t count = row1 - row < kLanes ? row1 - row : kLanes;
    store_rows(g, n, count, out + first * ldo + row, ldo);
  });
}

}  // namespace dts::qgemm::DTS_TARGET
