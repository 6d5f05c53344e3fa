// What the kernels ask of the program they are part of. kernels/bind/<host>/host.cpp defines all of it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dts {

/** Reports an error to JavaScript; does not return. Where there are exceptions it throws a std::runtime_error. */
[[noreturn]] void fail(const char* message);

/** At least `bytes`, aligned to kAlign. Large blocks come from the system where it takes them back as soon as they are freed. */
void* allocate(size_t bytes);
void release(void* block, size_t bytes);

/** A thread that carries out body(context, index). */
class Thread {
 public:
  using Body = void (*)(void* context, unsigned index);
  Thread(Body body, void* context, unsigned index);
  Thread(Thread&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Thread& operator=(Thread&&) = delete;
  /** Waits for its end. */
  ~Thread();

 private:
  void* handle_;
};

/** A word that threads wait for. */
using Signal = std::atomic<uint32_t>;

/** Waits for one step of a loop that spins. */
void pause_cpu();
/** Lets others have the core for a moment; may also sleep until announce() if the word still is `seen`. */
void give_way(Signal& word, uint32_t seen);
/** After a change of a word that others may have given way to. */
void announce(Signal& word);
/** Sleeps until wake_all() unless the word is not `seen`; may return early. */
void sleep_while(Signal& word, uint32_t seen);
void wake_all(Signal& word);

}  // namespace dts
