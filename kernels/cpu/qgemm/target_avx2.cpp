#if defined(__x86_64__) || defined(_M_X64)
#define DTS_TARGET avx2
#define DTS_TABLE avx2_table
#define DTS_NAME "avx2"
#include "standard.h"
DTS_REGION("avx2,fma,f16c")
#include "simd_avx2.h"
#include "sum_codes_x86.inl"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
DTS_REGION_END
#include "table.inl"
#endif
