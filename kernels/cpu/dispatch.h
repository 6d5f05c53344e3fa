// Which target's kernels run here.
#pragma once
#include <cstdint>

#include "step.h"

#if defined(__x86_64__) || defined(_M_X64)
#define DTS_X86 1
#else
#define DTS_X86 0
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
#define DTS_ARM64 1
#else
#define DTS_ARM64 0
#endif

// Functions defined between these two are compiled for the named instruction sets, whatever the compiler's flags say.
#define DTS_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define DTS_REGION_BEGIN(features) DTS_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define DTS_REGION_END DTS_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define DTS_REGION_BEGIN(features) DTS_PRAGMA(GCC push_options) DTS_PRAGMA(GCC target(features))
#define DTS_REGION_END DTS_PRAGMA(GCC pop_options)
#else
#define DTS_REGION_BEGIN(features)
#define DTS_REGION_END
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define DTS_NOINLINE __declspec(noinline)
#else
#define DTS_NOINLINE __attribute__((noinline))
#endif

namespace dts {

constexpr uint32_t kCpuAvx2 = 1;    // with FMA and F16C
constexpr uint32_t kCpuAvx512 = 2;  // F, BW, VL and DQ
constexpr uint32_t kCpuAvxVnni = 4;
constexpr uint32_t kCpuAvx512Vnni = 8;
constexpr uint32_t kCpuDotProd = 16;
constexpr uint32_t kCpuI8mm = 32;

// One a target; those of another architecture than the build's are missing.
#if defined(__wasm__)
extern const KernelTable kWasmTable;
#else
extern const KernelTable kScalarTable;
#endif
#if DTS_X86
extern const KernelTable kAvx2Table;
extern const KernelTable kAvxVnniTable;
extern const KernelTable kAvx512Table;
extern const KernelTable kAvx512VnniTable;
#elif DTS_ARM64
extern const KernelTable kNeonTable;
extern const KernelTable kNeonDotTable;
extern const KernelTable kNeonI8mmTable;
#endif

/** What this CPU and operating system can run, as bits of the constants above. */
uint32_t cpu_features();

/** All targets of this build, the best first; ends with null. */
extern const KernelTable* const kTargets[];

/** @param forced a target's name, or null for the best one. @returns null where it is unknown or cannot run here */
const KernelTable* pick_target(const char* forced, uint32_t cpu);

}  // namespace dts
