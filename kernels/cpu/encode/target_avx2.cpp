#include "../targets/target.h"
#include "codebook.h"
#include "encode.h"

#if DTS_X86
#include <immintrin.h>

DTS_REGION_BEGIN("avx2,fma,f16c")
#define DTS_TARGET encode_avx2
#include "../simd_avx2.h"
#include "encoders.inl"
DTS_REGION_END

namespace dts {
const EncodeRange kEncodeAvx2 = encode_avx2::encode_range;
}
#endif
