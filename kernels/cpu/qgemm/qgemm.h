// Products of quantised weights with int8 activations: the linear layers of the `fast` numerics.
//
//   out[i][r] = Σ_c w[r][c] · x̂[i][c]        w: [rows, cols] in a GGUF block format, x̂: x rounded to int8 in blocks of 32
//
// Three steps, all of plain functions over raw pointers that allocate nothing and keep no state:
//   1. pack()          once at load: interleaves the rows of each panel (`lanes` rows) so that one vector holds 4 columns of each.
//   2. quantize_rows() once per activation matrix, whatever the number and types of its consumers.
//   3. gemm() / gate_up_silu() for a band of weight rows; several threads take disjoint bands of the same product.
//
// Error. Dot products of codes are exact in int32; one f32 accumulator per output runs over the blocks in ascending order:
//   |out - Σ w·x̂| <= (3 · cols/32 + 5) · 2^-24 · Σ_blocks (|scale · d · dot| + |minimum · d · sum|)
// and x̂ differs from x by at most half a step, max|x in block| / 254. Each output depends only on its own weight row and
// activation row: it has the same bits whatever n, the index list, the band, and the thread.
//
// The translation units must be compiled with -ffp-contract=off: else the compiler may fuse in one tile and not in another.
//
// Activations holding a NaN or infinity give NaN in the outputs of that row.
#pragma once
#include <cstddef>
#include <cstdint>

namespace dts::qgemm {

// The weight formats, with ggml's type numbers.
enum class Type : uint32_t {
  Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, IQ4_NL = 20, IQ4_XS = 23,
};

// 32 activations: x̂ = d · q. The other fields are what the weight formats need beside the codes; a format whose codes are
// stored with an offset o starts its int32 dot product at bias - o · Σq, the bias being a constant of the table.
struct QBlock {
  int8_t q[32];      // -127..127, nearest to x / d, ties to even
  float d;           // max |x| / 127
  float dsum;        // d · Σq, times the minimum of formats that have one
  int32_t start8;    // bias - 8 · Σq
  int32_t start16;   // bias - 16 · Σq
  int32_t start128;  // bias - 128 · Σq
  int32_t start32[2];  // bias - 32 · Σq of the first and of the second 16
};

constexpr size_t kColumnsPerBlock = 32;
constexpr int32_t kWideCode = 8191;
constexpr size_t kPackedAlignment = 64;  // of packed weights, in bytes
constexpr size_t kStoredRows = 64, kWideRows = 128, kMixColumns = 16;
constexpr size_t kQBlockBytes = sizeof(QBlock);
static_assert(kQBlockBytes == 60);

// Bytes of a quantised activation row. cols % 32 == 0. Quantised rows need an alignment of 4.
constexpr size_t quantized_row_bytes(size_t cols) { return cols / kColumnsPerBlock * kQBlockBytes; }

// A packed matrix [rows, cols].
struct Matrix {
  Type type;
  size_t rows, cols;
  const uint8_t* packed;  // packed_bytes(type, rows, cols) of the same table, aligned to kPackedAlignment
};

// Rows of activations: row i of the call is row index[i] of `rows`, or row i where index is null.
struct Activations {
  const QBlock* rows;     // [any, cols / 32], from quantize_rows
  const uint32_t* index;  // [n] or null
  size_t n;
};

// n <= kStoredRows rows of GGUF's Q8_0 blocks, code by code activations where they lie; and what read_q8_0 finds of each block.
struct StoredRows {
  const uint8_t* const* rows;  // [n], no alignment needed
  size_t n, blocks;
  const float* d;        // [blocks, kStoredRows]
  const int32_t* start;  // [blocks, kStoredRows]: QBlock's start128, if the target needs one
  const uint8_t* const* ahead;  // [kStoredRows] rows that mix fetches into the cache for a later call, or null
};

// Queries [lanes, cols] in codes of 14 bits: their steps [cols / 32, lanes], and two codes side by side
// [cols / 2, lanes], in the order of wide_place.
struct WideQueries {
  const int32_t* packed;
  const float* steps;
  size_t lanes;
};

// Where a column of a block lies among its codes of 14 bits: fours of the two halves in turn.
constexpr size_t wide_place(size_t column) { return column % 16 / 4 * 8 + column / 16 * 4 + column % 4; }

// n <= kWideRows rows of f16 in codes of 14 bits [n, stride], with one step for each block of 32 columns.
struct WideRows {
  const int16_t* codes;
  const float* steps;  // [blocks]
  size_t n, blocks, stride;
  const uint8_t* const* ahead;  // [kWideRows] rows of f16 that the call fetches into the cache for a later one, or null
  size_t ahead_from;            // the block that they begin with
};

// The library for one instruction set. Packed weights and quantised activations belong to the table that made them.
struct Table {
  const char* name;
  size_t lanes;  // rows of a panel; bands start at multiples of it

  // Bytes of a packed matrix, at most 2 % more than the source for rows >= 50 lanes (a last panel is filled up with zeros).
  // 0 when the type is not one of Type or cols is not a positive multiple of its block.
  size_t (*packed_bytes)(Type type, size_t rows, size_t cols);

  // Packs rows [row0, row1) of a matrix of `rows`: src points to the raw blocks of row0, packed to the start of the whole
  // matrix. row0 % lanes == 0, and row1 % lanes == 0 or row1 == rows. src needs no alignment.
  void (*pack)(Type type, const uint8_t* src, size_t row0, size_t row1, size_t cols, uint8_t* packed);

  // x: [rows, cols] f32 with ldx floats from row to row, to out: [rows, cols / 32]. q and d are the
  // same bits on every table.
  void (*quantize_rows)(const float* x, size_t ldx, size_t rows, size_t cols, QBlock* out);

  // out[i * ldo + r - row0] for i < x.n and row0 <= r < row1, with the conditions on row0 and row1 of pack.
  void (*gemm)(const Matrix& w, size_t row0, size_t row1, const Activations& x, float* out, size_t ldo);

  // out[i * ldo + r - row0] = silu(gate product) · (up product), both matrices of the same shape. silu(g) = g / (1 + e^-g) with a
  // relative error below 4 · 2^-24 for g >= -80 and an absolute one below 1e-33 beneath.
  void (*gate_up_silu)(const Matrix& gate, const Matrix& up, size_t row0, size_t row1, const Activations& x, float* out,
                       size_t ldo);

  // Fills d and start of StoredRows.
  void (*read_q8_0)(const uint8_t* const* rows, size_t n, size_t blocks, float* d, int32_t* start);

  // out[i * ldo + r] for i < x.n and all rows r of w, a multiple of lanes, of type Q8_0: as gemm.
  void (*stored_gemm)(const Matrix& w, const StoredRows& x, float* out, size_t ldo);

  // out[i * ldo + c] = (onto ? out[i * ldo + c] : 0) + Σ_k weights[k * ldw + i] · x̂[k][c] for i < count, c < 32 blocks, over
  // all rows k of x.
  // 0 <= weights <= 1, count a multiple of kMixColumns. weights[k] times the d of its block is rounded to a 65534th of the
  // largest d of that block among the rows; the rest is exact but for one f32 multiply-add.
  void (*mix)(const float* weights, size_t ldw, size_t count, const StoredRows& x, bool onto, float* out, size_t ldo);

  // The same with rows of f16, whose codes are of 14 bits. These four are null where products of int16 are not faster than those of f32.
  // Rounding: of a query by a 16382nd of the largest in its block, of a row by at most an 8192nd of that of its block in all rows,
  // and nothing of those above a quarter of it; of weights by a 65534th of the largest or a 524000th of their sum.

  // Writes `count` <= lanes queries, f32 with ldx floats from one to the next; cols % 32 == 0, lanes % kMixColumns == 0.
  void (*pack_wide)(const float* x, size_t ldx, size_t count, size_t cols, size_t lanes, int32_t* packed, float* steps);

  // Rows of f16 where they lie, 32 blocks columns of them, to codes [n, ldc] and steps [blocks]. A block that holds a NaN or
  // infinity has a NaN for its step; the others are powers of two.
  void (*read_f16)(const uint8_t* const* rows, size_t n, size_t blocks, int16_t* codes, size_t ldc, float* steps);

  // out[i * ldo + r] for i < x.n and all queries r.
  void (*wide_gemm)(const WideQueries& q, const WideRows& x, float* out, size_t ldo);

  // As mix.
  void (*wide_mix)(const float* weights, size_t ldw, size_t count, const WideRows& x, bool onto, float* out, size_t ldo);
};

// One table a translation unit of its own (target_<name>.cpp), so a build takes those its architecture has. Calling into
// a table the CPU cannot run is an illegal instruction: choose by the CPU's features first.
extern const Table scalar_table;        // any CPU, 4 lanes
extern const Table avx2_table;          // AVX2, FMA, F16C; 8 lanes
extern const Table avxvnni_table;       // these and AVX-VNNI; 8 lanes
extern const Table avx512vnni_table;    // AVX-512 F, BW, VL, DQ and VNNI; 16 lanes
extern const Table neondot_table;       // AArch64 with dotprod; 4 lanes
extern const Table neoni8mm_table;      // and i8mm; 4 lanes
extern const Table wasm_table;          // WebAssembly SIMD; 4 lanes
extern const Table wasm_relaxed_table;  // and relaxed SIMD as standardised (not Node 20's draft behind a flag); 4 lanes

}  // namespace dts::qgemm
