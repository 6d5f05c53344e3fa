#include "mapping.h"

#if defined(__unix__) || defined(__APPLE__)
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
    }
  }
  if (file >= 0) ::close(file);
  return mapping;
}

void Mapping::drop() const {
  if (base_) madvise(base_, bytes_, MADV_DONTNEED);
}

Mapping::~Mapping() {
  if (base_) munmap(base_, bytes_);
}

#else

Mapping Mapping::open(const char*, uint64_t, size_t) { return {}; }

void Mapping::drop() const {}

Mapping::~Mapping() = default;

#endif

}  // namespace dts
