#include "../../cpu/host.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "../../cpu/mapping.h"
#include "../../cpu/memory.h"

namespace dts {

// What src/backends/wasm/thread.ts gives the module.
extern "C" {
[[noreturn]] __attribute__((import_module("host"), import_name("fail"))) void host_fail(const char* message, size_t length);
__attribute__((import_module("host"), import_name("startThread"))) void host_start_thread(
    void (*body)(void*, unsigned), void* context, unsigned index, void* stack);
}

constexpr size_t kStack = size_t{1} << 20;

void fail(const char* message) { host_fail(message, std::strlen(message)); }

void* allocate(size_t bytes) {
  const bool countable = bytes <= std::numeric_limits<size_t>::max() - kAlign;
  void* block = countable ? std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign) : nullptr;
  if (!block) fail(sizeof(void*) == 4 ? "out of memory: WebAssembly has at most 4 GiB" : "out of memory: WebAssembly has at most 16 GiB");
  return block;
}

void release(void* block, size_t) { std::free(block); }

Thread::Thread(Body body, void* context, unsigned index) : handle_(allocate(kStack)) {
  host_start_thread(body, context, index, static_cast<uint8_t*>(handle_) + kStack);
}

// There are no files in here.
Mapping Mapping::open(const char*, uint64_t, size_t) { return {}; }
bool Mapping::intact() const { return true; }
bool Mapping::fetch(const uint8_t*, size_t) const { return true; }
void Mapping::drop() const {}
Mapping::~Mapping() = default;

// Threads end with the module: who closes it terminates them.
Thread::~Thread() {}

/** As an instruction that takes about as long as a pause: there is none for it. */
void pause_cpu() { std::atomic_thread_fence(std::memory_order_seq_cst); }

constexpr int64_t kForever = -1;
/** Nanoseconds: a wake-up may be missed by a word that went through the same value twice. */
constexpr int64_t kMoment = 1'000'000;

static int32_t* address(Signal& word) { return reinterpret_cast<int32_t*>(&word); }

void give_way(Signal& word, uint32_t seen) {
  __builtin_wasm_memory_atomic_wait32(address(word), static_cast<int32_t>(seen), kMoment);
}
void announce(Signal& word) { wake_all(word); }
void sleep_while(Signal& word, uint32_t seen) {
  __builtin_wasm_memory_atomic_wait32(address(word), static_cast<int32_t>(seen), kForever);
}
void wake_all(Signal& word) { __builtin_wasm_memory_atomic_notify(address(word), UINT32_MAX); }

}  // namespace dts
