// Stress test of Pool and Team: meant for ThreadSanitizer (npm run check:sanitizers), and run plain by the tests.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "../pool.h"

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

/** A step of several ops of which each reads what the one before wrote: plain memory, so that a missing order is a race. */
struct Step {
  explicit Step(size_t n) : from(n, 1), to(n, 0) {}
  std::vector<long> from, to;
  long total = 0;

  static bool run(void* self, unsigned, dts::Team& team) {
    float scratch[1] = {};
    dts::Worker worker{team, scratch};
    return static_cast<Step*>(self)->work(worker);
  }

  bool work(dts::Worker& worker) {
    const size_t n = from.size();
    for (int op = 0; op < 8 && !worker.stopped; ++op) {
      worker.share(n, [&](size_t i) {
        // Item 0 takes far longer than the others.
        volatile long busy = 0;
        for (int k = 0; i == 0 && k < 2000; ++k) busy = busy + k;
        to[i] = from[n - 1 - i] + 1;
      });
      if (worker.stopped) break;
      worker.share(n, [&](size_t i, const auto& next) {
        from[i] = to[i];
        const size_t likely = next();
        expect(likely > i && (worker.team.count() > 1 || likely == i + 1), "the piece that likely comes next is a later one, without other threads the next");
      });
      if (worker.stopped) break;
      worker.share(0, [](size_t) { std::abort(); });
      if (worker.stopped) break;
      worker.share(1, [&](size_t) {
        total = 0;
        for (const long x : from) total += x;
      });
    }
    return !worker.stopped;
  }
};

void many_rounds(unsigned threads, int rounds) {
  dts::Pool pool(threads);
  for (int round = 0; round < rounds; ++round) {
    const size_t n = static_cast<size_t>(1 + round % 37);
    Step step(n);
    expect(pool.run(Step::run, &step), "a step nobody aborts ends well");
    expect(step.total == static_cast<long>(9 * n), "every item was done once in every op");
  }
}

/** The system takes the core of thread 1 when it has entered, and gives it back when thread 0 has seen all stages end. */
struct HeldUp {
  static constexpr size_t kStages = 20, kPieces = 50;
  std::atomic<bool> entered{false}, over{false};
  std::atomic<size_t> pieces{0};

  static bool run(void* self, unsigned index, dts::Team& team) {
    HeldUp& job = *static_cast<HeldUp*>(self);
    if (index == 0) job.wait(job.entered);
    if (index == 1) {
      job.entered = true;
      job.wait(job.over);
    }
    dts::Worker worker{team, nullptr};
    for (size_t stage = 0; stage < kStages; ++stage) worker.share(kPieces, [&](size_t) { ++job.pieces; });
    if (index == 0) job.over = true;
    return !worker.stopped;
  }

  static void wait(const std::atomic<bool>& flag) {
    while (!flag) std::this_thread::yield();
  }
};

void held_up(unsigned threads) {
  dts::Pool pool(threads);
  HeldUp job;
  expect(pool.run(HeldUp::run, &job), "a step ends without a thread that is held up");
  expect(job.pieces == HeldUp::kStages * HeldUp::kPieces, "the others did its work, and it none twice");
}

void aborted(unsigned threads) {
  dts::Pool pool(threads);
  std::atomic<bool> running{false};
  std::thread other([&] {
    while (!running.load()) std::this_thread::yield();
    pool.abort();
  });
  Step step(100);
  running = true;
  while (pool.run(Step::run, &step)) {
  }
  other.join();
  expect(!pool.run(Step::run, &step), "an aborted pool runs nothing any more");
}

}  // namespace

int main() {
  for (unsigned threads = 1; threads <= 5; ++threads) {
    many_rounds(threads, 60);
    if (threads > 1) held_up(threads);
    for (int i = 0; i < 10; ++i) aborted(threads);
    for (int i = 0; i < 20; ++i) dts::Pool unused(threads);
  }
  std::puts("ok");
}
