#include "target.h"

#if DTS_ARM64
#include <arm_neon.h>

#define DTS_TARGET neon
#include "../simd_neon.h"
#include "target.inl"

namespace dts {
const KernelTable kNeonTable = neon::make_table("neon", 0, qgemm::scalar_table);
const KernelTable kNeonDotTable = neon::make_table("neondot", kCpuDotProd, qgemm::neondot_table);
const KernelTable kNeonI8mmTable = neon::make_table("neoni8mm", kCpuDotProd | kCpuI8mm, qgemm::neoni8mm_table);
}
#endif
