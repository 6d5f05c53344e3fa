#include "dispatch.h"

#include <cstring>

#if DTS_X86 && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#elif DTS_ARM64 && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif DTS_ARM64 && defined(__APPLE__)
#include <sys/sysctl.h>
#elif DTS_ARM64 && defined(_WIN32)
#include <windows.h>
#endif

namespace dts {

const KernelTable* const kTargets[] = {
#if DTS_X86
    &kAvx512VnniTable, &kAvx512Table, &kAvxVnniTable, &kAvx2Table,
#elif DTS_ARM64
    &kNeonI8mmTable, &kNeonDotTable, &kNeonTable,
#endif
#if defined(__wasm__)
    &kWasmTable,
#else
    &kScalarTable,
#endif
    nullptr,
};

#if DTS_ARM64
/** Asked of the operating system: no instruction outside the kernel tells. */
static uint32_t arm_features() {
  bool dot = false, i8mm = false;
#if defined(__linux__)
  dot = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  i8mm = getauxval(AT_HWCAP2) & HWCAP2_I8MM;
#elif defined(__APPLE__)
  const auto has = [](const char* name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
  };
  dot = has("hw.optional.arm.FEAT_DotProd");
  i8mm = has("hw.optional.arm.FEAT_I8MM");
#elif defined(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE)
  dot = IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE);
#ifdef PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE
  i8mm = IsProcessorFeaturePresent(PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE);
#endif
#endif
  return (dot ? kCpuDotProd : 0) | (i8mm ? kCpuI8mm : 0);
}
#endif

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
#elif DTS_ARM64
  found = arm_features();
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
