#if defined(__aarch64__)
#define DTS_TARGET neoni8mm
#define DTS_TABLE neoni8mm_table
#define DTS_NAME "neoni8mm"
#define DTS_I8MM
#include "standard.h"
DTS_REGION("arch=armv8.2-a+dotprod+i8mm")
#include "simd_neon.h"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
DTS_REGION_END
#include "table.inl"
#endif
