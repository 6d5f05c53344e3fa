#include "pool.h"

namespace dts {

/** About 20 microseconds: the gap between two steps is longer, and the event loop needs the core then. */
constexpr unsigned kIdleSpins = 500;

Pool::Pool(unsigned threads) : team_(threads) {
  for (unsigned i = 1; i < threads; ++i) threads_.emplace_back([this, i] { loop(i); });
}

Pool::~Pool() {
  round_.store(-1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Pool::run(Job job, void* context) {
  job_ = job;
  context_ = context;
  if (!threads_.empty()) {
    inside_.store(static_cast<unsigned>(threads_.size()), std::memory_order_relaxed);
    round_.store((round_.load(std::memory_order_relaxed) + 1) & 0x7fffffff, std::memory_order_release);
    round_.notify_all();
  }
  const bool finished = job(context, 0, team_);
  while (inside_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  return finished;
}

void Pool::loop(unsigned index) {
  int seen = 0;
  for (;;) {
    int round = round_.load(std::memory_order_acquire);
    for (unsigned spins = 0; round == seen; round = round_.load(std::memory_order_acquire)) {
      if (++spins < kIdleSpins) pause_cpu();
      else round_.wait(seen, std::memory_order_acquire);
    }
    if (round < 0) return;
    seen = round;
    job_(context_, index, team_);
    inside_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace dts
