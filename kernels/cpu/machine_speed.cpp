#include "machine_speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "memory.h"

namespace dts {

namespace {

/** Several times the largest cache. */
constexpr size_t kFloats = size_t{64} << 20;
constexpr size_t kRounds = size_t{1} << 20;
constexpr int kPasses = 5;

struct Measuring {
  const KernelTable& kernels;
  Buffer<float> memory;
  MachineSpeed best;

  bool work(unsigned index, Team& team) {
    const size_t half = kFloats / 2, share = half / team.count();
    float* first = memory.data() + index * share;
    float* second = first + half;
    std::fill_n(first, share, 1.0f);
    std::fill_n(second, share, 1.0f);
    float values[2] = {0.5f, 0.25f};
    for (int pass = 0; pass < kPasses; ++pass) {
      const double bytes = static_cast<double>(share * team.count() * sizeof(float));
      const auto read = [&] {
        values[1] += kernels.read_floats(first, share) + kernels.read_floats(second, share);
      };
      if (!timed(index, team, best.read, [&] { return 2 * bytes; }, read)) return false;
      if (!timed(index, team, best.copy, [&] { return bytes; }, [&] { std::memcpy(second, first, share * sizeof(float)); })) return false;
      double operations = 0;
      const auto compute = [&] { operations = kernels.multiply_adds(kRounds, values); };
      if (!timed(index, team, best.flops, [&] { return operations * team.count(); }, compute)) return false;
    }
    first[0] = values[1];
    return true;
  }

  /** All threads do `body` at once; the first keeps the largest amount a second. @returns false when the pool was aborted */
  template <class Amount, class Body>
  static bool timed(unsigned index, Team& team, double& best, const Amount& amount, const Body& body) {
    if (team.wait()) return false;
    const auto start = std::chrono::steady_clock::now();
    body();
    if (team.wait()) return false;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (index == 0) best = std::max(best, amount() / seconds.count());
    return true;
  }
};

}  // namespace

MachineSpeed measure_machine(const KernelTable& kernels, Pool& pool) {
  Measuring measuring{kernels, Buffer<float>(kFloats), {}};
  const auto job = [](void* self, unsigned index, Team& team) { return static_cast<Measuring*>(self)->work(index, team); };
  return pool.run(job, &measuring) ? measuring.best : MachineSpeed{};
}

}  // namespace dts
