#include "pool.h"

namespace dts {

/** About 20 microseconds: the gap between two steps is longer, and the event loop needs the core then. */
constexpr unsigned kIdleSpins = 500;

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
  if (!threads_.empty()) {
    inside_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
    round_.fetch_add(2, std::memory_order_release);
    wake_all(round_);
  }
  const bool finished = job(context, 0, team_);
  for (uint32_t left; (left = inside_.load(std::memory_order_acquire)) > 0;) give_way(inside_, left);
  return finished;
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
    job_(context_, index, team_);
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) announce(inside_);
  }
}

}  // namespace dts
