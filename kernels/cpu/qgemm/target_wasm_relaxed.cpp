#define DTS_TARGET wasm_relaxed
#define DTS_TABLE wasm_relaxed_table
#define DTS_NAME "wasm-relaxed"
#define DTS_RELAXED
#include "standard.h"
#include "simd_wasm.h"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
#include "table.inl"
