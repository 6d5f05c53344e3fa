#define DTS_TARGET wasm
#define DTS_TABLE wasm_table
#define DTS_NAME "wasm"
#include "standard.h"
#include "simd_wasm.h"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
#include "table.inl"
