// A part of a file seen as memory: its pages come when they are read, and the system takes them back when it needs room.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
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
   * Bytes [offset, offset + length) of a file, length > 0. Reading what is no longer in the file ends the process: ask intact()
   * or fetch() before.
   * @returns an empty one where that is not possible
   */
  static Mapping open(const char* path, uint64_t offset, size_t length);

  /** null where nothing is mapped */
  const uint8_t* data() const { return data_; }
  /** Whether the file still has all of them. One that was replaced or removed is kept by the system, as it was. */
  bool intact() const;
  /** Brings in the pages of [from, from + length), for the next moment. @returns false where the file no longer has them */
  bool fetch(const uint8_t* from, size_t length) const;
  /** The pages are not needed for now: reading them again brings them back. */
  void drop() const;
  const std::string& path() const { return path_; }
  bool same_file(const Mapping& other) const { return device_ == other.device_ && inode_ == other.inode_; }
  /** Bytes that the file must have. */
  uint64_t end() const { return end_; }

 private:
  void swap(Mapping& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(base_, other.base_);
    std::swap(bytes_, other.bytes_);
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    std::swap(end_, other.end_);
  }

  const uint8_t* data_ = nullptr;
  /** The whole pages around them. */
  void* base_ = nullptr;
  size_t bytes_ = 0;
  std::string path_;
  uint64_t device_ = 0, inode_ = 0, end_ = 0;
};

}  // namespace dts
