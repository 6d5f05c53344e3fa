// What the machine can reach at best with the threads of a pool: the scale that speeds are read against.
#pragma once
#include "pool.h"
#include "step.h"

namespace dts {

struct MachineSpeed {
  /** Bytes a second that all threads together read from memory. */
  double read = 0;
  /** Bytes a second that are copied: each is read once and written once, and counted once. */
  double copy = 0;
  /** f32 operations a second, a multiply-add being two. */
  double flops = 0;
};

/** The best of several short passes; takes about half a second and 256 MiB. All zero when the pool was aborted. */
MachineSpeed measure_machine(const KernelTable& kernels, Pool& pool);

}  // namespace dts
