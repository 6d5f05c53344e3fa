#include "target.h"

#if DTS_X86
#include <immintrin.h>

DTS_REGION_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#define DTS_TARGET avx512
#include "../simd_avx512.h"
#include "target.inl"
DTS_REGION_END

namespace dts {
const KernelTable kAvx512Table = avx512::make_table("avx512", kCpuAvx512, qgemm::avx2_table);
const KernelTable kAvx512VnniTable = avx512::make_table("avx512vnni", kCpuAvx512 | kCpuAvx512Vnni, qgemm::avx512vnni_table);
}
#endif
