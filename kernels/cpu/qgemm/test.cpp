// Checks every table this CPU runs against sums in double precision, independent of the layout: random blocks (all codes,
// scales and signs), sizes around the vector widths, ragged rows, all splits. With a folder of fixtures (<TYPE>.safetensors
// with real_bytes, real_f32, rand_bytes, rand_f32) its own decoder is checked against these first.
//
//   test [FIXTURES]      exits 1 at the first failure
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "layout.h"
#include "qgemm.h"
#include "runnable.h"

namespace {

using namespace dts::qgemm;

struct Named {
  Type type;
  const char* name;
};
constexpr Named kTypes[] = {
    {Type::Q8_0, "Q8_0"}, {Type::Q4_K, "Q4_K"}, {Type::Q6_K, "Q6_K"},     {Type::Q4_0, "Q4_0"},     {Type::Q5_K, "Q5_K"},
    {Type::Q5_0, "Q5_0"}, {Type::Q4_1, "Q4_1"}, {Type::Q5_1, "Q5_1"}, {Type::IQ4_NL, "IQ4_NL"}, {Type::IQ4_XS, "IQ4_XS"},
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
  std::exit(1);
}

uint64_t random_state = 1;
uint32_t random_u32() {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>(random_state >> 32);
}
float random_normal() {
  float sum = 0;
  for (int i = 0; i < 6; ++i) sum += static_cast<float>(random_u32()) * 0x1p-32f - 0.5f;
  return sum * 1.4f;
}

double half(const uint8_t* p) {
  const int bits = p[0] | p[1] << 8, exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// Weight = scaled + minimum, both exact in double.
struct Weight {
  double scaled, minimum;
};

constexpr int kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

int nibble(const uint8_t* p, size_t i, size_t half_size) { return i < half_size ? p[i] & 15 : p[i - half_size] >> 4; }

Weight decode(Type type, const uint8_t* row, size_t column) {
  const Geometry g = geometry(type);
  const uint8_t* b = row + column / g.block_columns * g.block_bytes;
  const size_t i = column % g.block_columns, sub = i / 32, in = i % 32;
  switch (type) {
    case Type::Q8_0: return {half(b) * static_cast<int8_t>(b[2 + i]), 0};
    case Type::Q4_0: return {half(b) * (nibble(b + 2, i, 16) - 8), 0};
    case Type::IQ4_NL: return {half(b) * kLevels[nibble(b + 2, i, 16)], 0};
    case Type::Q4_1: return {half(b) * nibble(b + 4, i, 16), half(b + 2)};
    case Type::Q5_0: return {half(b) * ((nibble(b + 6, i, 16) | (b[2 + i / 8] >> i % 8 & 1) << 4) - 16), 0};
    case Type::Q5_1: return {half(b) * (nibble(b + 8, i, 16) | (b[4 + i / 8] >> i % 8 & 1) << 4), half(b + 2)};
    case Type::Q4_K:
    case Type::Q5_K: {
      const uint8_t* s = b + 4;
      const int scale = sub < 4 ? s[sub] & 63 : (s[sub + 4] & 15) | s[sub - 4] >> 6 << 4;
      const int minimum = sub < 4 ? s[sub + 4] & 63 : s[sub + 4] >> 4 | s[sub] >> 6 << 4;
      const uint8_t* codes = b + (type == Type::Q4_K ? 16 : 48) + sub / 2 * 32;
      int code = codes[in] >> sub % 2 * 4 & 15;
      if (type == Type::Q5_K) code |= (b[16 + in] >> sub & 1) << 4;
      return {half(b) * scale * code, -half(b + 2) * minimum};
    }
    case Type::Q6_K: {
      const size_t part = i / 128, quarter = sub % 4;
      const int low = b[part * 64 + quarter % 2 * 32 + in] >> quarter / 2 * 4 & 15;
      const int high = b[128 + part * 32 + in] >> quarter * 2 & 3;
      return {half(b + 208) * static_cast<int8_t>(b[192 + i / 16]) * ((low | high << 4) - 32), 0};
    }
    case Type::IQ4_XS: {
      const int low = b[4 + sub / 2] >> sub % 2 * 4 & 15, high = (b[2] | b[3] << 8) >> 2 * sub & 3;
      return {half(b) * ((low | high << 4) - 32) * kLevels[nibble(b + 8 + sub * 16, in, 16)], 0};
    }
  }
  return {0, 0};
}

size_t row_bytes(Type type, size_t cols) { return cols / geometry(type).block_columns * geometry(type).block_bytes; }

// Random bits and, every fourth block, codes at their ends, with the f16 scales of moderate size.
std::vector<uint8_t> random_rows(Type type, size_t rows, size_t cols) {
  const Geometry g = geometry(type);
  std::vector<uint8_t> raw(rows * row_bytes(type, cols));
  for (uint8_t& byte : raw) byte = static_cast<uint8_t>(random_u32() >> 13);
  const bool has_minimum = type == Type::Q4_1 || type == Type::Q5_1 || type == Type::Q4_K || type == Type::Q5_K;
  for (size_t at = 0; at < raw.size(); at += g.block_bytes) {
    constexpr uint8_t kEnds[] = {0x00, 0xff, 0x80, 0x7f};
    if (random_u32() % 4 == 0) std::fill_n(raw.begin() + static_cast<long>(at), g.block_bytes, kEnds[random_u32() % 4]);
    const size_t d = at + (type == Type::Q6_K ? 208 : 0);
    raw[d + 1] = static_cast<uint8_t>((raw[d + 1] & 0x83) | (random_u32() % 16) << 2);
    if (has_minimum) raw[d + 3] = static_cast<uint8_t>((raw[d + 3] & 0x83) | (random_u32() % 16) << 2);
  }
  return raw;
}

// Memory of exactly this many items, so that AddressSanitizer sees every access beyond.
template <class T>
struct Exact {
  explicit Exact(size_t count) : size(count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    data = static_cast<T*>(std::aligned_alloc(64, bytes == 0 ? 64 : bytes));
    std::fill_n(data, count, T{});
  }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() { std::free(data); }
  size_t size;
  T* data;
};

std::vector<float> random_activations(size_t rows, size_t cols) {
  std::vector<float> x(rows * cols);
  for (float& v : x) v = random_normal();
  for (size_t i = 0; i < 32 && i < x.size(); ++i) x[i] = 0;          // a block of zeros
  if (cols >= 64) x[45] = 1000.f;                                    // an outlier
  for (size_t i = 0; rows > 1 && i < cols; ++i) x[cols + i] = i % 2 ? 3.f : -3.f;  // codes at both ends
  for (size_t i = 0; rows > 2 && i < cols; ++i) x[2 * cols + i] = 5.f;             // and at one, for the largest sums
  return x;
}

struct Product {
  double value, bound;
};

// The exact product of one weight row with one quantised row, and the bound of qgemm.h.
Product exact_product(Type type, const std::vector<Weight>& w, const QBlock* x) {
  Product p{0, 0};
  const size_t step = type == Type::Q6_K ? 16 : 32;
  for (size_t c = 0; c < w.size(); c += step) {
    double scaled = 0, minimum = 0;
    for (size_t i = c; i < c + step; ++i) {
      const double v = static_cast<double>(x[i / 32].d) * x[i / 32].q[i % 32];
      scaled += w[i].scaled * v;
      minimum += w[i].minimum * v;
    }
    p.value += scaled + minimum;
    p.bound += std::abs(scaled) + std::abs(minimum);
  }
  p.bound *= (3.0 * static_cast<double>(w.size()) / 32 + 5) * 0x1p-24;
  return p;
}

std::string describe(const Table& t, const char* type, size_t rows, size_t cols, size_t n) {
  return std::string(t.name) + " " + type + " [" + std::to_string(rows) + ", " + std::to_string(cols) + "] x " + std::to_string(n);
}

void check_shape(const Table& t, const Named& named, size_t rows, size_t cols, size_t n) {
  const Type type = named.type;
  const std::string what = describe(t, named.name, rows, cols, n);
  const std::vector<uint8_t> raw = random_rows(type, rows, cols);
  const size_t raw_row = row_bytes(type, cols);

  const size_t size = t.packed_bytes(type, rows, cols);
  if (size % 4 != 0 || size == 0) fail(what + ": packed size");
  const size_t padded = (rows + t.lanes - 1) / t.lanes * t.lanes * raw_row;
  if (static_cast<double>(size) > 1.02 * static_cast<double>(padded) && cols > 256) fail(what + ": packed form grew");
  Exact<uint8_t> packed(size), banded(size);
  t.pack(type, raw.data(), 0, rows, cols, packed.data);
  for (size_t row = 0; row < rows; row += 2 * t.lanes) {
    const size_t end = std::min(rows, row + 2 * t.lanes);
    const std::vector<uint8_t> band(raw.begin() + static_cast<long>(row * raw_row), raw.begin() + static_cast<long>(end * raw_row));
    t.pack(type, band.data(), row, end, cols, banded.data);
  }
  if (!std::equal(packed.data, packed.data + size, banded.data)) fail(what + ": packing in bands differs");

  const std::vector<float> x = random_activations(n, cols);
  const size_t blocks = cols / 32;
  Exact<QBlock> q(n * blocks);
  t.quantize_rows(x.data(), cols, n, cols, q.data);

  const Matrix m{type, rows, cols, packed.data};
  const size_t ldo = rows + 3;
  std::vector<float> out(n * ldo, 777.f);
  t.gemm(m, 0, rows, {q.data, nullptr, n}, out.data(), ldo);
  std::vector<Weight> w(cols);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) w[c] = decode(type, raw.data() + r * raw_row, c);
    for (size_t i = 0; i < n; ++i) {
      const Product p = exact_product(type, w, q.data + i * blocks);
      const double error = std::abs(p.value - static_cast<double>(out[i * ldo + r]));
      if (!(error <= p.bound)) {
        fail(what + ": row " + std::to_string(r) + ", activation " + std::to_string(i) + " is " + std::to_string(out[i * ldo + r]) +
             ", not " + std::to_string(p.value) + " (bound " + std::to_string(p.bound) + ")");
      }
    }
  }
  for (size_t i = 0; i < n; ++i)
    for (size_t r = rows; r < ldo; ++r)
      if (out[i * ldo + r] != 777.f) fail(what + ": wrote beside its outputs");

  // One activation row and one panel at a time, through an index list that runs backwards: the same bits.
  std::vector<float> again(n * ldo, 777.f);
  for (size_t row = 0; row < rows; row += t.lanes)
    for (uint32_t i = 0; i < n; ++i) t.gemm(m, row, std::min(rows, row + t.lanes), {q.data, &i, 1}, again.data() + i * ldo + row, ldo);
  if (again != out) fail(what + ": the bits depend on the split");
  std::vector<uint32_t> index(n);
  for (size_t i = 0; i < n; ++i) index[i] = static_cast<uint32_t>(n - 1 - i);
  std::vector<float> backwards(n * ldo, 777.f);
  t.gemm(m, 0, rows, {q.data, index.data(), n}, backwards.data(), ldo);
  for (size_t i = 0; i < n; ++i)
    if (!std::equal(out.begin() + static_cast<long>(i * ldo), out.begin() + static_cast<long>((i + 1) * ldo),
                    backwards.begin() + static_cast<long>((n - 1 - i) * ldo)))
      fail(what + ": the bits depend on the index list");

  // silu(gate) · up, of the matrix with itself at 1e-2 of the size, so that silu does more than pass values on.
  std::vector<float> small(x);
  double most = 1e-9;
  for (float v : out) if (v != 777.f) most = std::max(most, std::abs(static_cast<double>(v)));
  for (float& v : small) v = static_cast<float>(v * 20 / most);
  Exact<QBlock> qs(n * blocks);
  t.quantize_rows(small.data(), cols, n, cols, qs.data);
  t.gemm(m, 0, rows, {qs.data, nullptr, n}, out.data(), ldo);
  t.gate_up_silu(m, m, 0, rows, {qs.data, nullptr, n}, again.data(), ldo);
  for (size_t i = 0; i < n * ldo; ++i) {
    if (i % ldo >= rows) {
      if (again[i] != 777.f) fail(what + ": gate_up_silu wrote beside its outputs");
      continue;
    }
    const double v = out[i], want = v / (1 + std::exp(-v)) * v;
    if (!(std::abs(again[i] - want) <= 5 * 0x1p-24 * std::abs(want) + 1e-37)) {
      fail(what + ": silu(" + std::to_string(v) + ") * same is " + std::to_string(again[i]) + ", not " + std::to_string(want));
    }
  }
}

void check_quantize(const Table& t) {
  const size_t cols = 64 * 32;
  std::vector<float> x = random_activations(1, cols);
  for (size_t i = 0; i < cols; ++i) x[i] *= std::ldexp(1.f, static_cast<int>(i / 32) * 3 - 100);
  x[3 * 32 + 5] = 3e38f;
  for (int i = 0; i < 32; ++i) x[4 * 32 + static_cast<size_t>(i)] = static_cast<float>(i) - 15.5f;  // ties
  x[4 * 32] = 127.f;
  Exact<QBlock> q(cols / 32), reference(cols / 32);
  t.quantize_rows(x.data(), cols, 1, cols, q.data);
  scalar_table.quantize_rows(x.data(), cols, 1, cols, reference.data);
  const int32_t bias = q.data[0].start8;  // of a block of zeros
  for (size_t b = 0; b < q.size; ++b) {
    const QBlock& block = q.data[b];
    if (std::memcmp(&block, reference.data + b, offsetof(QBlock, start8)) != 0) fail(std::string(t.name) + ": codes differ from scalar's");
    double most = 0;
    int sums[2] = {0, 0};
    for (size_t i = 0; i < 32; ++i) most = std::max(most, std::abs(static_cast<double>(x[b * 32 + i])));
    for (size_t i = 0; i < 32; ++i) {
      sums[i / 16] += block.q[i];
      const double error = std::abs(static_cast<double>(block.d) * block.q[i] - x[b * 32 + i]);
      if (!(error <= most / 254 * (1 + 1e-4) + 1e-30)) fail(std::string(t.name) + ": a code is not the nearest");
    }
    const int sum = sums[0] + sums[1];
    if (block.start8 != bias - 8 * sum || block.start16 != bias - 16 * sum || block.start128 != bias - 128 * sum || block.start32[0] != bias - 32 * sums[0] ||
        block.start32[1] != bias - 32 * sums[1] || block.dsum != block.d * static_cast<float>(sum))
      fail(std::string(t.name) + ": sums of a block");
  }

  // NaN and infinity come out as NaN, in their own row only.
  for (const Named& named : kTypes) {
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      const size_t n = 5, rows = 17, width = 256;
      std::vector<float> y = random_activations(n, width);
      y[2 * width + 100] = bad;
      Exact<QBlock> qy(n * width / 32);
      t.quantize_rows(y.data(), width, n, width, qy.data);
      const std::vector<uint8_t> raw = random_rows(named.type, rows, width);
      Exact<uint8_t> packed(t.packed_bytes(named.type, rows, width));
      t.pack(named.type, raw.data(), 0, rows, width, packed.data);
      std::vector<float> out(n * rows);
      const Matrix m{named.type, rows, width, packed.data};
      for (int fused = 0; fused < 2; ++fused) {
        if (fused) t.gate_up_silu(m, m, 0, rows, {qy.data, nullptr, n}, out.data(), rows);
        else t.gemm(m, 0, rows, {qy.data, nullptr, n}, out.data(), rows);
        for (size_t i = 0; i < n; ++i)
          for (size_t r = 0; r < rows; ++r)
            if (std::isnan(out[i * rows + r]) != (i == 2)) fail(std::string(t.name) + " " + named.name + ": NaN in the wrong place");
      }
    }
  }
}

// Products with rows in their stored form against sums in double precision, and against those with the same activations.
void check_stored(const Table& t) {
  for (const size_t n : {1, 2, 3, 17, 63, 64}) {
    for (const size_t blocks : {1, 2, 5}) {
      const size_t cols = blocks * 32, count = kMixColumns * (n % 2 + 1), ldo = cols + 3, ldw = count + 5;
      const std::string what = std::string(t.name) + " with " + std::to_string(n) + " stored rows";
      const size_t bytes = row_bytes(Type::Q8_0, cols);
      const std::vector<uint8_t> random = random_rows(Type::Q8_0, n, cols);
      Exact<uint8_t> stored(n * bytes);
      std::vector<const uint8_t*> rows(n);
      for (size_t k = 0; k < n; ++k) rows[k] = stored.data + (n - 1 - k) * bytes;
      Exact<QBlock> same(n * blocks);
      const std::vector<float> nothing(32);
      for (size_t k = 0; k < n; ++k) {
        for (size_t b = 0; b < blocks; ++b) {
          const uint8_t* from = random.data() + (k * blocks + b) * 34;
          uint8_t* to = stored.data + (n - 1 - k) * bytes + b * 34;
          QBlock& block = same.data[k * blocks + b];
          t.quantize_rows(nothing.data(), 32, 1, 32, &block);
          for (size_t c = 0; c < 32; ++c) {
            block.q[c] = static_cast<int8_t>(std::max<int>(-127, static_cast<int8_t>(from[2 + c])));
            block.start128 -= 128 * block.q[c];
            to[2 + c] = static_cast<uint8_t>(block.q[c]);
          }
          to[0] = from[0];
          to[1] = from[1] & 0x7f;
          block.d = static_cast<float>(half(to));
        }
      }
      Exact<float> d(blocks * kStoredRows);
      Exact<int32_t> start(blocks * kStoredRows);
      t.read_q8_0(rows.data(), n, blocks, d.data, start.data);
      std::vector<const uint8_t*> ahead(kStoredRows, stored.data);
      const StoredRows x{rows.data(), n, blocks, d.data, start.data, n % 2 ? ahead.data() : nullptr};

      const std::vector<uint8_t> raw = random_rows(Type::Q8_0, count, cols);
      Exact<uint8_t> packed(t.packed_bytes(Type::Q8_0, count, cols));
      t.pack(Type::Q8_0, raw.data(), 0, count, cols, packed.data);
      const Matrix m{Type::Q8_0, count, cols, packed.data};
      std::vector<float> dots(n * ldw, 777.f), want_dots(dots);
      t.stored_gemm(m, x, dots.data(), ldw);
      t.gemm(m, 0, count, {same.data, nullptr, n}, want_dots.data(), ldw);
      if (dots != want_dots) fail(what + ": not the product with the same activations");

      Exact<float> weights(n * ldw - (ldw - count));
      for (size_t i = 0; i < weights.size; ++i) weights.data[i] = static_cast<float>(random_u32() % 1001) / 1000;
      const bool onto = n % 3 != 0;
      std::vector<float> out(count * ldo, 0.5f);
      t.mix(weights.data, ldw, count, x, onto, out.data(), ldo);
      for (size_t i = 0; i < count; ++i) {
        for (size_t c = 0; c < ldo; ++c) {
          double want = onto || c >= cols ? 0.5 : 0, most = 0, size = 0;
          for (size_t k = 0; k < n && c < cols; ++k) {
            const QBlock& block = same.data[k * blocks + c / 32];
            want += static_cast<double>(weights.data[k * ldw + i]) * block.d * block.q[c % 32];
            most = std::max(most, static_cast<double>(block.d));
            size += std::abs(block.q[c % 32]);
          }
          if (!(std::abs(out[i * ldo + c] - want) <= size * most / 65534 * 1.01 + 1e-6 * std::abs(want))) fail(what + ": a sum is wrong");
        }
      }
    }
  }
}

// Products with rows of f16 against sums in double precision.
void check_wide(const Table& t) {
  for (const size_t n : {1, 2, 3, 17, 127, 128}) {
    for (const size_t blocks : {1, 2, 10}) {
      const size_t cols = blocks * 32, count = 13, lanes = kMixColumns * (n % 2 + 1), stride = cols + 6;
      const std::string what = std::string(t.name) + " with " + std::to_string(n) + " rows of f16";
      // Of all sizes, subnormal ones too; one block is zero, one row has codes at both ends, and one column the
      // largest in all rows.
      Exact<uint8_t> stored(n * cols * 2);
      std::vector<const uint8_t*> rows(n);
      for (size_t k = 0; k < n; ++k) {
        rows[k] = stored.data + (n - 1 - k) * cols * 2;
        uint8_t* to = stored.data + (n - 1 - k) * cols * 2;
        for (size_t c = 0; c < cols; ++c, to += 2) {
          if (blocks > 2 && c / 32 == 3) continue;
          to[0] = c == 7 || k == 1 ? 0 : static_cast<uint8_t>(random_u32());
          to[1] = static_cast<uint8_t>(c == 7 ? 0x3c : k == 1 ? (c % 2 ? 0x3c : 0xbc) : (random_u32() & 0x83) | (random_u32() % (c / 32 % 2 ? 2 : 15)) << 2);
        }
      }
      const auto value = [&](size_t k, size_t c) { return half(rows[k] + 2 * c); };
      Exact<int16_t> codes((n - 1) * stride + cols);
      Exact<float> steps(blocks);
      t.read_f16(rows.data(), n, blocks, codes.data, stride, steps.data);
      for (size_t b = 0; b < blocks; ++b) {
        double most = 0;
        for (size_t k = 0; k < n; ++k)
          for (size_t c = 32 * b; c < 32 * (b + 1); ++c) most = std::max(most, std::abs(value(k, c)));
        const double step = steps.data[b];
        if (!(most <= kWideCode * step) || (most >= std::exp2(-14) && !(most > kWideCode / 2 * step)) || std::exp2(std::round(std::log2(step))) != step) fail(what + ": a step");
        for (size_t k = 0; k < n; ++k)
          for (size_t c = 32 * b; c < 32 * (b + 1); ++c)
            if (!(std::abs(codes.data[k * stride + 32 * b + wide_place(c % 32)] * step - value(k, c)) <= (std::abs(value(k, c)) > most / 4 ? 0 : 0.501 * step))) fail(what + ": a code");
      }

      std::vector<float> x = random_activations(count, cols);
      Exact<int32_t> packed(cols / 2 * lanes);
      Exact<float> query_steps(blocks * lanes);
      t.pack_wide(x.data(), cols, count, cols, lanes, packed.data, query_steps.data);
      std::vector<const uint8_t*> ahead(kWideRows, stored.data);
      const WideRows wide{codes.data, steps.data, n, blocks, stride, n % 2 ? ahead.data() : nullptr, blocks / 2};
      const size_t ldo = lanes + 3;
      std::vector<float> dots(n * ldo, 777.f);
      t.wide_gemm({packed.data, query_steps.data, lanes}, wide, dots.data(), ldo);
      for (size_t k = 0; k < n; ++k) {
        for (size_t h = 0; h < ldo; ++h) {
          double want = h < lanes ? 0 : 777, bound = 0;
          for (size_t c = 0; c < cols && h < count; ++c) {
            const double q = x[h * cols + c], v = value(k, c), dq = 0.501 * query_steps.data[c / 32 * lanes + h], dv = 0.501 * steps.data[c / 32];
            want += q * v;
            bound += std::abs(q) * dv + std::abs(v) * dq + dq * dv + 1e-6 * std::abs(q * v);
          }
          if (!(std::abs(dots[k * ldo + h] - want) <= bound)) fail(what + ": a product is wrong");
        }
      }

      Exact<float> weights(n * lanes);
      for (size_t i = 0; i < weights.size; ++i) weights.data[i] = i % lanes == 5 ? 1 : static_cast<float>(random_u32() % 1001) / 1000 / static_cast<float>(1 + i % lanes * 100);
      const size_t ldm = cols + 3;
      const bool onto = n % 3 != 0;
      std::vector<float> means(lanes * ldm, 0.5f);
      t.wide_mix(weights.data, lanes, lanes, wide, onto, means.data(), ldm);
      for (size_t h = 0; h < lanes; ++h) {
        double most = 0, sum = 0;
        for (size_t k = 0; k < n; ++k) {
          most = std::max(most, static_cast<double>(weights.data[k * lanes + h]));
          sum += weights.data[k * lanes + h];
        }
        const double unit = 0.501 * std::max(most / 32767, sum / 262000);
        for (size_t c = 0; c < ldm; ++c) {
          double want = onto || c >= cols ? 0.5 : 0, bound = 1e-6;
          for (size_t k = 0; k < n && c < cols; ++k) {
            const double w = weights.data[k * lanes + h], v = value(k, c), dv = 0.501 * steps.data[c / 32];
            want += w * v;
            bound += w * dv + std::abs(v) * unit + unit * dv + 1e-6 * std::abs(w * v);
          }
          if (!(std::abs(means[h * ldm + c] - want) <= bound)) fail(what + ": a sum is wrong");
        }
      }

      // NaN and infinity reach all products with their block.
      stored.data[1] = 0x7c;
      t.read_f16(rows.data(), n, blocks, codes.data, stride, steps.data);
      t.wide_gemm({packed.data, query_steps.data, lanes}, wide, dots.data(), ldo);
      t.wide_mix(weights.data, lanes, lanes, wide, true, means.data(), ldm);
      for (size_t h = 0; h < lanes; ++h)
        if (!std::isnan(dots[h]) || !std::isnan(means[h * ldm]) || (blocks > 1 && std::isnan(means[h * ldm + 32]))) fail(what + ": NaN in the wrong place");
    }
  }
}

void check_refusals(const Table& t) {
  if (t.packed_bytes(static_cast<Type>(11), 16, 256) != 0) fail("a type that is not supported has a size");
  if (t.packed_bytes(Type::Q4_K, 16, 128) != 0 || t.packed_bytes(Type::Q8_0, 16, 33) != 0 || t.packed_bytes(Type::Q8_0, 16, 0) != 0)
    fail("a width that is not of whole blocks has a size");
}

// The bytes of one tensor of a safetensors file.
std::vector<uint8_t> tensor(const std::string& file, const std::string& name) {
  const std::string header = file.substr(8, static_cast<size_t>(static_cast<uint8_t>(file[0]) | static_cast<uint8_t>(file[1]) << 8));
  const size_t entry = header.find("\"" + name + "\"");
  const size_t offsets = header.find('[', header.find("data_offsets", entry));
  if (entry == std::string::npos || offsets == std::string::npos) fail("fixture without " + name);
  size_t begin = 0, end = 0;
  if (std::sscanf(header.c_str() + offsets, "[%zu,%zu]", &begin, &end) != 2) fail("fixture without offsets of " + name);
  const std::string bytes = file.substr(8 + header.size() + begin, end - begin);
  return {bytes.begin(), bytes.end()};
}

void check_decoder(const std::string& folder) {
  for (const Named& named : kTypes) {
    std::ifstream in(folder + "/" + named.name + ".safetensors", std::ios::binary);
    if (!in) fail("no fixture for " + std::string(named.name) + " in " + folder);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    for (const std::string kind : {"real", "rand"}) {
      const std::vector<uint8_t> raw = tensor(file, kind + "_bytes"), values = tensor(file, kind + "_f32");
      const size_t cols = 512, bytes = row_bytes(named.type, cols);
      if (raw.size() != 8 * bytes || values.size() != 8 * cols * 4) fail(std::string(named.name) + ": fixture sizes");
      for (size_t i = 0; i < 8 * cols; ++i) {
        float want;
        std::memcpy(&want, values.data() + 4 * i, 4);
        const Weight w = decode(named.type, raw.data() + i / cols * bytes, i % cols);
        if (std::isfinite(want) && static_cast<float>(w.scaled + w.minimum) != want) fail(std::string(named.name) + " " + kind + ": decoder of the test");
      }
    }
  }
  std::printf("decoder of the test: agrees with %s\n", folder.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) check_decoder(argv[1]);
  for (const Table* t : kTables) {
    if (!runnable(*t)) {
      std::printf("%-12s skipped: this CPU cannot run it\n", t->name);
      continue;
    }
    check_refusals(*t);
    check_quantize(*t);
    check_stored(*t);
    if (t->read_f16 != nullptr) check_wide(*t);
    size_t shapes = 0;
    for (const Named& named : kTypes) {
      const size_t block = geometry(named.type).block_columns;
      for (const size_t rows : {1, 3, 4, 5, 8, 9, 15, 16, 17, 33})
        for (const size_t n : {1, 2, 3, 4, 7, 8, 16}) check_shape(*t, named, rows, block * (1 + shapes % 3), n), ++shapes;
      for (const size_t n : {1, 5, 31, 33, 63, 64, 65, 130}) check_shape(*t, named, 3 * t->lanes + 1, 512, n), ++shapes;
      check_shape(*t, named, 50, block == 32 ? 1408 : 1536, 19);
      check_shape(*t, named, 37, block == 32 ? 10944 : 10752, 3);
      shapes += 2;
    }
    std::printf("%-12s %zu shapes\n", t->name, shapes);
  }
  std::printf("ok\n");
}
