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
  const size_t threads;
  Buffer<float> memory;
  MachineSpeed best;

  bool work(unsigned index, Team& team) {
    const size_t half = kFloats / 2, share = half / threads;
    const double bytes = static_cast<double>(share * sizeof(float));
    float values[2] = {0.5f, 0.25f};
    const double operations = kernels.multiply_adds(1, values) * static_cast<double>(kRounds);
    Worker worker{team, nullptr};
    const auto first = [&](size_t piece) { return memory.data() + piece * share; };
    const auto second = [&](size_t piece) { return first(piece) + half; };
    worker.share(threads, [&](size_t piece) {
      std::fill_n(first(piece), share, 1.0f);
      std::fill_n(second(piece), share, 1.0f);
    });
    // Every piece leaves its result in memory, or it would not have to be computed.
    const auto read = [&](size_t piece) {
      first(piece)[0] = kernels.read_floats(first(piece), share) + kernels.read_floats(second(piece), share);
    };
    const auto copy = [&](size_t piece) { std::memcpy(second(piece), first(piece), share * sizeof(float)); };
    const auto compute = [&](size_t piece) {
      float chain[2] = {values[0], 0.25f};
      kernels.multiply_adds(kRounds, chain);
      first(piece)[1] = chain[1];
    };
    for (int pass = 0; pass < kPasses && !worker.stopped; ++pass) {
      timed(index, worker, best.read, 2 * bytes, read);
      timed(index, worker, best.copy, bytes, copy);
      timed(index, worker, best.flops, operations, compute);
    }
    return !worker.stopped;
  }

  /** A piece of `amount` for each thread at once; the first thread keeps the largest amount a second. */
  template <class Body>
  void timed(unsigned index, Worker& worker, double& largest, double amount, const Body& body) const {
    const auto start = std::chrono::steady_clock::now();
    worker.share(threads, body);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (index == 0 && !worker.stopped) largest = std::max(largest, amount * static_cast<double>(threads) / seconds.count());
  }
};

}  // namespace

MachineSpeed measure_machine(const KernelTable& kernels, Pool& pool) {
  Measuring measuring{kernels, pool.threads(), Buffer<float>(kFloats), {}};
  const auto job = [](void* self, unsigned index, Team& team) { return static_cast<Measuring*>(self)->work(index, team); };
  return pool.run(job, &measuring) ? measuring.best : MachineSpeed{};
}

}  // namespace dts
