#include "encode.h"

#include <algorithm>

#include "../dispatch.h"
#include "../memory.h"

namespace dts {

namespace {

/** Elements that a thread takes at a time. */
constexpr size_t kShare = 1 << 16;

struct Shares {
  const EncodeJob& job;
  EncodeRange encode;
  std::atomic<size_t> bad;
};

bool encode_shares(void* context, unsigned, Team& team) {
  Shares& shares = *static_cast<Shares*>(context);
  const EncodeJob& job = shares.job;
  const Buffer<float> scratch(2 * job.cols);
  const size_t step = std::max<size_t>(1, kShare / std::max<size_t>(1, job.cols));
  const auto encode = [&](size_t share) {
    const size_t first = share * step;
    const size_t bad = shares.encode(job, first, std::min(step, job.rows - first), scratch.data());
    size_t least = shares.bad.load();
    while (bad < least && !shares.bad.compare_exchange_weak(least, bad)) {
    }
  };
  Worker worker{team, nullptr};
  worker.share((job.rows + step - 1) / step, encode);
  return !worker.stopped;
}

}  // namespace

bool can_encode(DType to) { return to != DType::F8_E4M3; }

size_t encode_rows(const EncodeJob& job, Pool& pool) {
  Shares shares{job, kEncodeScalar, job.rows};
#if DTS_X86
  if (cpu_features() & kCpuAvx2) shares.encode = kEncodeAvx2;
#endif
  pool.run(encode_shares, &shares);
  return shares.bad.load();
}

}  // namespace dts
