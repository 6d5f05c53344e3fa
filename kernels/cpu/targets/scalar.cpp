#include "target.h"

#define DTS_TARGET scalar
#include "../simd_scalar.h"
#include "target.inl"

namespace dts {
const KernelTable kScalarTable = scalar::make_table("scalar", 0, qgemm::scalar_table);
}
