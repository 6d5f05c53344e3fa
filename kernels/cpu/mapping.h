// A part of a file seen as memory: its pages come when they are read, and the system takes them back when it needs room.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace dts {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping();

  /**
   * Bytes [offset, offset + length) of a file, length > 0. The file must not become shorter while they are in use.
   * @returns an empty one where that is not possible
   */
  static Mapping open(const char* path, uint64_t offset, size_t length);

  /** null where nothing is mapped */
  const uint8_t* data() const { return data_; }
  /** The pages are not needed for now: reading them again brings them back. */
  void drop() const;

 private:
  void swap(Mapping& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
  }

  const uint8_t* data_ = nullptr;
  /** The whole pages around them. */
  void* base_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace dts
