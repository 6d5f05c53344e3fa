// How the threads of a step work together: each runs the whole list of ops and takes its share of every one. A stage, what lies
// between two waits, is over when its last piece of work is done, whoever did it: a thread that the system holds up delays the
// others by the piece that it holds, not by its mere absence. It then finds the stages it has missed to be over, and so must not
// read anything but the batch to know how many there are.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

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

  /** Before a job, while no thread is in one: its stages are counted from 0. */
  void rewind() {
    place_.store(0, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
  }

  /**
   * body(i) for i < count, shared out among the threads that are in this stage; returns when it is over, or when aborting.
   * @param body may take a second argument: next() is what this thread likely takes after i; at least count where it takes none
   */
  template <class Body>
  void share(uint32_t stage, size_t count, const Body& body) {
    size_t mine = 0;
    uint64_t place = place_.load(std::memory_order_acquire);
    while (stage_of(place) == stage && piece_of(place) < count && !aborting()) {
      const size_t first = piece_of(place), some = run_of(count - first);
      if (!place_.compare_exchange_weak(place, place + some, std::memory_order_acquire)) continue;
      for (size_t i = first; i < first + some && !aborting(); ++i) {
        if constexpr (std::is_invocable_v<Body, size_t>) body(i);
        else body(i, [&] { return i + 1 < first + some ? i + 1 : next_run(stage, count, i); });
      }
      mine += some;
      place = place_.load(std::memory_order_acquire);
    }
    if (mine > 0 && done_.fetch_add(mine, std::memory_order_acq_rel) + mine == count) {
      done_.store(0, std::memory_order_relaxed);
      place_.store(start_of(stage + 1), std::memory_order_release);
      tell();
    } else if (count == 0 && place == start_of(stage)) {
      if (place_.compare_exchange_strong(place, start_of(stage + 1), std::memory_order_acq_rel)) tell();
    } else {
      wait_past(stage);
    }
  }

 private:
  /** The others have taken all up to the place, or each takes one more piece before this thread is done with `last`. */
  size_t next_run(uint32_t stage, size_t count, size_t last) const {
    const uint64_t place = place_.load(std::memory_order_relaxed);
    return stage_of(place) == stage ? std::max(piece_of(place), last + count_) : count;
  }

  /** Pieces to take at once: many at first, whose weights are one stream of memory, and single ones towards the end. */
  size_t run_of(size_t left) const { return std::max<size_t>(1, left / (4 * count_)); }
  static uint32_t stage_of(uint64_t place) { return static_cast<uint32_t>(place >> 32); }
  static size_t piece_of(uint64_t place) { return static_cast<uint32_t>(place); }
  static uint64_t start_of(uint32_t stage) { return static_cast<uint64_t>(stage) << 32; }
  bool over(uint32_t stage) const { return stage_of(place_.load(std::memory_order_acquire)) != stage || aborting(); }

  void tell() {
    told_.fetch_add(1, std::memory_order_release);
    announce(told_);
  }

  void wait_past(uint32_t stage) {
    for (unsigned spins = 0; !over(stage); ++spins) {
      if (spins < kSpins) {
        pause_cpu();
        continue;
      }
      const uint32_t seen = told_.load(std::memory_order_acquire);
      if (!over(stage)) give_way(told_, seen);
    }
  }

  /** A few microseconds, by which shares of an op may differ; then others get the core, among them the thread waited for. */
  static constexpr unsigned kSpins = 64;

  const unsigned count_;
  std::atomic<bool> abort_{false};
  /** The stage under way, and its next piece of work. */
  alignas(64) std::atomic<uint64_t> place_{0};
  /** Pieces of the stage that are done. */
  alignas(64) std::atomic<size_t> done_{0};
  /** Counts the ends of stages, for those who sleep. */
  alignas(64) Signal told_{0};
};

/** One thread's view of a job. */
struct Worker {
  Team& team;
  /** This thread's own memory, as much as the plan asked for. */
  float* scratch;
  /** Set when the job was told to end. */
  bool stopped = false;
  uint32_t stage = 0;

  /** As Team::share, for this thread. */
  template <class Body>
  void share(size_t count, const Body& body) {
    team.share(stage++, count, body);
    stopped = team.aborting();
  }
};

}  // namespace dts
