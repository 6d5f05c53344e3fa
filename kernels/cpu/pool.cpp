#include "pool.h"

namespace dts {

/** About 20 microseconds: the gap between two steps is longer, and the event loop needs the core then. */
constexpr unsigned kIdleSpins = 500;
constexpr uint32_t kOpen = uint32_t{1} << 31;

Pool::Pool(unsigned threads) : team_(threads) {
  for (unsigned i = 1; i < threads; ++i) {
    threads_.emplace_back([](void* self, unsigned index) { static_cast<Pool*>(self)->loop(index); }, this, i);
  }
}

Pool::~Pool() {
  round_.fetch_or(1, std::memory_order_release);
  wake_all(round_);
  threads_.clear();
}

bool Pool::run(Job job, void* context) {
  job_ = job;
  context_ = context;
  team_.rewind();
  if (!threads_.empty()) {
    inside_.store(kOpen, std::memory_order_release);
    round_.fetch_add(2, std::memory_order_release);
    wake_all(round_);
  }
  const bool finished = job(context, 0, team_);
  inside_.fetch_and(~kOpen, std::memory_order_relaxed);
  for (uint32_t left; (left = inside_.load(std::memory_order_acquire)) > 0;) give_way(inside_, left);
  return finished;
}

/** @returns false when the job is over; it may be a later one than the thread was woken for */
bool Pool::enter() {
  uint32_t now = inside_.load(std::memory_order_relaxed);
  while (now & kOpen) {
    if (inside_.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) return true;
  }
  return false;
}

void Pool::loop(unsigned index) {
  uint32_t seen = 0;
  for (;;) {
    uint32_t round = round_.load(std::memory_order_acquire);
    for (unsigned spins = 0; round == seen; round = round_.load(std::memory_order_acquire)) {
      if (++spins < kIdleSpins) pause_cpu();
      else sleep_while(round_, seen);
    }
    if (round & 1) return;
    seen = round;
    if (!enter()) continue;
    job_(context_, index, team_);
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) announce(inside_);
  }
}

}  // namespace dts
