// For the test and the benchmark: the tables of this architecture and whether this CPU runs them.
#pragma once
#include <cstring>

#include "qgemm.h"
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace dts::qgemm {

inline const Table* const kTables[] = {
    &scalar_table,
#if defined(__x86_64__)
    &avx2_table,
    &avxvnni_table,
    &avx512vnni_table,
#elif defined(__aarch64__)
    &neondot_table,
    &neoni8mm_table,
#elif defined(__wasm__)
    &wasm_table,
#if defined(__wasm_relaxed_simd__)
    &wasm_relaxed_table,
#endif
#endif
};

inline bool runnable([[maybe_unused]] const Table& t) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (&t == &avx2_table) return avx2;
  if (&t == &avxvnni_table) return avx2 && __builtin_cpu_supports("avxvnni");
  if (&t == &avx512vnni_table) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
  }
#elif defined(__aarch64__) && defined(__linux__)
  const bool dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  if (&t == &neondot_table) return dot;
  if (&t == &neoni8mm_table) return dot && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
  return true;
}

}  // namespace dts::qgemm
