#define DTS_TARGET scalar
#define DTS_TABLE scalar_table
#define DTS_NAME "scalar"
#include "standard.h"
#include "simd_scalar.h"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
#include "table.inl"
