// The threads of a backend: they sleep between steps. The thread that calls run() is the first of them.
#pragma once
#include <atomic>
#include <vector>

#include "team.h"

namespace dts {

class Pool {
 public:
  /** @param threads at least 1 */
  explicit Pool(unsigned threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /** @returns false when it stopped early */
  using Job = bool (*)(void* context, unsigned index, Team& team);

  /**
   * job(context, i, team) on every thread i; one call at a time. Returns when all have left it.
   * @returns false when it was aborted
   */
  bool run(Job job, void* context);

  /** From any thread: ends the run under way, and all that come. */
  void abort() { team_.abort(); }
  unsigned threads() const { return team_.count(); }

 private:
  void loop(unsigned index);

  Team team_;
  Job job_ = nullptr;
  void* context_ = nullptr;
  /** Counts the runs, by two; odd once the pool closes. */
  Signal round_{0};
  /** Threads that still are in the job; they may read its context up to their last instruction there. */
  Signal inside_{0};
  std::vector<Thread> threads_;
};

}  // namespace dts
