#include "../../cpu/host.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <thread>

#include "../../cpu/memory.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define DTS_MMAP 1
#else
#define DTS_MMAP 0
#endif

namespace dts {

void fail(const char* message) { throw std::runtime_error(message); }

/**
 * From here on straight from the system: an allocator keeps large freed blocks, and once their ends are in use for
 * something small it cannot place the next aligned block of the same size in them.
 */
constexpr size_t kLarge = size_t{1} << 20;

#if DTS_MMAP
/** Reading weights from huge pages is a fifth faster than from small ones. What lies before the first border has none. */
constexpr size_t kHugePage = size_t{2} << 20;

/** Pages of the system from a border of huge pages on. */
static void* map_aligned(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), needed = (bytes + page - 1) / page * page;
  void* mapped = mmap(nullptr, needed + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* first = static_cast<std::byte*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(first) % kHugePage) % kHugePage, after = kHugePage - before;
  if (before > 0) munmap(first, before);
  if (after > 0) munmap(first + before + needed, after);
  return first + before;
}
#endif

void* allocate(size_t bytes) {
#if DTS_MMAP
  if (bytes >= kLarge) {
    void* block = map_aligned(bytes);
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
  }
#endif
  return ::operator new(bytes, std::align_val_t{kAlign});
}

void release(void* block, size_t bytes) {
#if DTS_MMAP
  if (bytes >= kLarge) {
    munmap(block, bytes);
    return;
  }
#endif
  ::operator delete(block, std::align_val_t{kAlign});
}

Thread::Thread(Body body, void* context, unsigned index) : handle_(new std::thread(body, context, index)) {}

Thread::~Thread() {
  if (!handle_) return;
  auto* thread = static_cast<std::thread*>(handle_);
  thread->join();
  delete thread;
}

void pause_cpu() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void give_way(Signal&, uint32_t) { std::this_thread::yield(); }
void announce(Signal&) {}
void sleep_while(Signal& word, uint32_t seen) { word.wait(seen, std::memory_order_acquire); }
void wake_all(Signal& word) { word.notify_all(); }

}  // namespace dts
