#include "dispatch.h"

#include <cstring>

#if DTS_X86 && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace dts {

const KernelTable* const kTargets[] = {
#if DTS_X86
    &kAvx512VnniTable, &kAvx512Table, &kAvxVnniTable, &kAvx2Table,
#endif
    &kScalarTable, nullptr,
};

uint32_t cpu_features() {
  uint32_t found = 0;
#if DTS_X86 && defined(_MSC_VER)
  int leaf1[4], leaf7[4], leaf7_1[4];
  __cpuid(leaf1, 1);
  if (!(leaf1[2] & (1 << 27))) return 0;  // OSXSAVE
  __cpuidex(leaf7, 7, 0);
  __cpuidex(leaf7_1, 7, 1);
  const unsigned long long saved = _xgetbv(0);
  const bool fma = leaf1[2] & (1 << 12), f16c = leaf1[2] & (1 << 29), avx2 = leaf7[1] & (1 << 5);
  const unsigned avx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);
  if ((saved & 6) == 6 && fma && f16c && avx2) found |= kCpuAvx2;
  if ((saved & 0xe6) == 0xe6 && (leaf7[1] & avx512) == avx512) found |= kCpuAvx512;
  if ((found & kCpuAvx2) && leaf7[0] >= 1 && (leaf7_1[0] & (1 << 4))) found |= kCpuAvxVnni;
  if ((found & kCpuAvx512) && (leaf7[2] & (1 << 11))) found |= kCpuAvx512Vnni;
#elif DTS_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (avx2) found |= kCpuAvx2;
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    found |= kCpuAvx512;
    if (__builtin_cpu_supports("avx512vnni")) found |= kCpuAvx512Vnni;
  }
  if (avx2 && __builtin_cpu_supports("avxvnni")) found |= kCpuAvxVnni;
#endif
  return found;
}

const KernelTable* pick_target(const char* forced, uint32_t cpu) {
  for (const KernelTable* const* t = kTargets; *t; ++t) {
    const bool runs = ((*t)->needs & ~cpu) == 0;
    if (forced ? std::strcmp(forced, (*t)->name) == 0 : runs) return runs ? *t : nullptr;
  }
  return nullptr;
}

}  // namespace dts
