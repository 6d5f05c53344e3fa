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
   * job(context, i, team) on the threads i that come while it runs, the caller's (i = 0) among them; one call at a time. Returns
   * when all have left it. A job shares out its work by the team and is over when thread 0 has left it.
   * @returns false when it was aborted
   */
  bool run(Job job, void* context);

  /** From any thread: ends the run under way, and all that come. */
  void abort() { team_.abort(); }
  unsigned threads() const { return team_.count(); }

 private:
  void loop(unsigned index);
  bool enter();

  Team team_;
  Job job_ = nullptr;
  void* context_ = nullptr;
  /** Counts the runs, by two; odd once the pool closes. */
  Signal round_{0};
  /** Threads that are in the job, and kOpen while further ones may enter it. They may read its context until they have left. */
  Signal inside_{0};
  std::vector<Thread> threads_;
};

}  // namespace dts
