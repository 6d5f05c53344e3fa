// How the threads of a step work together: each runs the whole list of ops and takes its share of every one.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "host.h"

namespace dts {

/** What the threads of one pool share during a step. */
class Team {
 public:
  explicit Team(unsigned count) : count_(count) {}

  unsigned count() const { return count_; }

  /** For good: asks the step under way, and any that comes, to end soon; what it has computed is of no use then. */
  void abort() { abort_.store(true, std::memory_order_relaxed); }
  bool aborting() const { return abort_.load(std::memory_order_relaxed); }

  /**
   * Waits for all threads. The last one to come rewinds the counter of work.
   * @returns whether the step ends here: the same answer for every thread
   */
  bool wait() {
    // The lowest bit of the phase is the answer, so that a thread that wakes up late still reads that of its own wait.
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
      arrived_.store(0, std::memory_order_relaxed);
      cursor_.store(0, std::memory_order_relaxed);
      const uint32_t next = ((phase | 1) + 1) | (aborting() ? 1 : 0);
      phase_.store(next, std::memory_order_release);
      announce(phase_);
      return next & 1;
    }
    for (unsigned spins = 0;; ++spins) {
      const uint32_t now = phase_.load(std::memory_order_acquire);
      if (now != phase) return now & 1;
      if (spins < kSpins) pause_cpu();
      else give_way(phase_, phase);
    }
  }

  size_t next() { return cursor_.fetch_add(1, std::memory_order_relaxed); }

 private:
  /** A few microseconds, by which shares of an op may differ; then others get the core, among them the thread waited for. */
  static constexpr unsigned kSpins = 64;

  const unsigned count_;
  std::atomic<bool> abort_{false};
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) Signal phase_{0};
  alignas(64) std::atomic<size_t> cursor_{0};
};

/** One thread's view of a step. */
struct Worker {
  unsigned index;
  Team& team;
  /** This thread's own memory, as much as the plan asked for. */
  float* scratch;
  /** Set when the step was told to end. */
  bool stopped = false;

  /** body(i) for i < count, shared out among the threads; returns when all of them are done. */
  template <class Body>
  void share(size_t count, const Body& body) {
    for (size_t i = team.next(); i < count && !team.aborting(); i = team.next()) body(i);
    stopped = team.wait();
  }
};

}  // namespace dts
