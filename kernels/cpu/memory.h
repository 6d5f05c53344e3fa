// Memory that SIMD loads like: aligned to a cache line, uninitialised, one owner.
#pragma once
#include <atomic>
#include <cstddef>
#include <limits>
#include <utility>

#include "host.h"

namespace dts {

constexpr size_t kAlign = 64;

/** What all buffers of the program hold at the moment, and how many were ever given memory. */
struct BufferCount {
  std::atomic<size_t> bytes{0};
  std::atomic<size_t> made{0};
};
inline BufferCount buffer_count;

/** `count` elements of T; padded by a cache line, so that a whole vector may be read past the end. */
template <class T>
class Buffer {
 public:
  Buffer() = default;
  /** Fails where there is no memory for it. */
  explicit Buffer(size_t count) : count_(count) {
    if (count > (std::numeric_limits<size_t>::max() - kAlign) / sizeof(T)) fail("more elements than memory has addresses");
    data_ = static_cast<T*>(allocate(bytes() + kAlign));
    buffer_count.bytes.fetch_add(bytes(), std::memory_order_relaxed);
    buffer_count.made.fetch_add(1, std::memory_order_relaxed);
  }
  /** Has a size, but no memory. */
  static Buffer planned(size_t count) {
    Buffer buffer;
    buffer.count_ = count;
    return buffer;
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~Buffer() {
    if (!data_) return;
    release(data_, bytes() + kAlign);
    buffer_count.bytes.fetch_sub(bytes(), std::memory_order_relaxed);
  }

  T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t count_ = 0;
};

}  // namespace dts
