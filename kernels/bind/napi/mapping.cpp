#include "../../cpu/mapping.h"

#if defined(__unix__) || defined(__APPLE__)
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace dts {

#if defined(__unix__) || defined(__APPLE__)

Mapping Mapping::open(const char* path, uint64_t offset, size_t length) {
  Mapping mapping;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat info {};
  const bool opened = file >= 0 && fstat(file, &info) == 0;
  if (opened && static_cast<uint64_t>(info.st_size) >= offset && static_cast<uint64_t>(info.st_size) - offset >= length) {
    const uint64_t before = offset % static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = length + static_cast<size_t>(before);
    void* base = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, static_cast<off_t>(offset - before));
    if (base != MAP_FAILED) {
      mapping.base_ = base;
      mapping.bytes_ = bytes;
      mapping.data_ = static_cast<const uint8_t*>(base) + before;
      mapping.path_ = path;
      mapping.device_ = static_cast<uint64_t>(info.st_dev);
      mapping.inode_ = static_cast<uint64_t>(info.st_ino);
      mapping.end_ = offset + length;
    }
  }
  if (file >= 0) ::close(file);
  return mapping;
}

bool Mapping::intact() const {
  struct stat now {};
  if (!base_ || stat(path_.c_str(), &now) != 0) return true;
  const bool same = static_cast<uint64_t>(now.st_dev) == device_ && static_cast<uint64_t>(now.st_ino) == inode_;
  return !same || static_cast<uint64_t>(now.st_size) >= end_;
}

bool Mapping::fetch(const uint8_t* from, size_t length) const {
#ifdef MADV_POPULATE_READ
  const size_t before = static_cast<size_t>(from - static_cast<const uint8_t*>(base_)) % static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* page = const_cast<uint8_t*>(from - before);
  // Older systems do not know it; then the pages come as they are read.
  if (base_ && madvise(page, length + before, MADV_POPULATE_READ) != 0) return errno != EFAULT;
#endif
  return true;
}

void Mapping::drop() const {
  if (base_) madvise(base_, bytes_, MADV_DONTNEED);
}

Mapping::~Mapping() {
  if (base_) munmap(base_, bytes_);
}

#else

Mapping Mapping::open(const char*, uint64_t, size_t) { return {}; }

bool Mapping::intact() const { return true; }

bool Mapping::fetch(const uint8_t*, size_t) const { return true; }

void Mapping::drop() const {}

Mapping::~Mapping() = default;

#endif

}  // namespace dts
