#if defined(__x86_64__) || defined(_M_X64)
#define DTS_TARGET avx512vnni
#define DTS_TABLE avx512vnni_table
#define DTS_NAME "avx512vnni"
#define DTS_WIDE
#include "standard.h"
DTS_REGION("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#include "simd_avx512.h"
#include "sum_codes_x86.inl"
#include "pack.inl"
#include "quantize.inl"
#include "formats.inl"
#include "gemm.inl"
#include "stored_rows.inl"
#include "wide_rows.inl"
DTS_REGION_END
#include "table.inl"
#endif
