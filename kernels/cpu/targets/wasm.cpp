#include "target.h"

#if defined(__wasm__)
#include <wasm_simd128.h>

// A module holds one target: there is no asking a machine for its features from inside.
#if defined(__wasm_relaxed_simd__)
#define DTS_TARGET wasm_relaxed
#define DTS_NAME "wasm-relaxed"
#define DTS_PRODUCTS qgemm::wasm_relaxed_table
#else
#define DTS_TARGET wasm
#define DTS_NAME "wasm"
#define DTS_PRODUCTS qgemm::wasm_table
#endif
#include "../simd_wasm.h"
#include "target.inl"

namespace dts {
const KernelTable kWasmTable = DTS_TARGET::make_table(DTS_NAME, 0, DTS_PRODUCTS);
}
#endif
