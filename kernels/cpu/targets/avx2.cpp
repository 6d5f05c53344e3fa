#include "target.h"

#if DTS_X86
#include <immintrin.h>

DTS_REGION_BEGIN("avx2,fma,f16c")
#define DTS_TARGET avx2
#include "../simd_avx2.h"
#include "target.inl"
DTS_REGION_END

namespace dts {
const KernelTable kAvx2Table = avx2::make_table("avx2", kCpuAvx2, qgemm::avx2_table);
const KernelTable kAvxVnniTable = avx2::make_table("avxvnni", kCpuAvx2 | kCpuAvxVnni, qgemm::avxvnni_table);
}
#endif
