#if defined(__aarch64__)
#define DTS_TARGET neondot
#define DTS_TABLE neondot_table
#define DTS_NAME "neondot"
#include "standard.h"
DTS_REGION("arch=armv8.2-a+dotprod")
#include "simd_neon.h"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
DTS_REGION_END
#include "table.inl"
#endif
