// For the test and the benchmark: the tables of this architecture and whether this CPU runs them.
#pragma once
#include <cstring>

#include "qgemm.h"

namespace dts::qgemm {

inline const Table* const kTables[] = {
    &scalar_table,
#if defined(__x86_64__)
    &avx2_table,
    &avxvnni_table,
    &avx512vnni_table,
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
#endif
  return true;
}

}  // namespace dts::qgemm
