#include "../targets/target.h"
#include "codebook.h"
#include "encode.h"

#define DTS_TARGET encode_scalar
#include "../simd_scalar.h"
#include "encoders.inl"

namespace dts {
const EncodeRange kEncodeScalar = encode_scalar::encode_range;
}
