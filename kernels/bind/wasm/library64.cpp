// What the kernels use of the C and C++ libraries, for modules with 64-bit addresses: the compiler comes with headers that serve
// for those too, but with libraries for 32 bits only.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "../../cpu/host.h"
#include "../../cpu/memory.h"

// The heap: free blocks in a list by address, the first that fits is taken. Blocks are few and large, and one thread takes and
// gives them (module.cpp). The bytes before a block say how long it is.
namespace {

struct Free {
  size_t bytes;
  Free* next;
};

constexpr size_t kUnit = dts::kAlign, kPage = size_t{1} << 16;
// Not SIZE_MAX: the headers have that of 32 bits.
constexpr size_t kMost = std::numeric_limits<size_t>::max();
static_assert(sizeof(Free) <= kUnit);

extern "C" uint8_t __heap_base;
Free* first_free = nullptr;
uint8_t* heap_end = nullptr;

uint8_t* start_of(Free* free) { return reinterpret_cast<uint8_t*>(free); }

/** Gives [block, block + bytes) to the list, as one with the free blocks beside it. */
void give(uint8_t* block, size_t bytes) {
  Free* before = nullptr;
  Free* next = first_free;
  while (next && start_of(next) < block) {
    before = next;
    next = next->next;
  }
  if (next && block + bytes == start_of(next)) {
    bytes += next->bytes;
    next = next->next;
  }
  if (before && start_of(before) + before->bytes == block) {
    *before = {before->bytes + bytes, next};
  } else {
    (before ? before->next : first_free) = new (block) Free{bytes, next};
  }
}

/** Makes the memory longer by at least so many bytes. */
bool grow(size_t bytes) {
  if (!heap_end) {
    const uintptr_t start = (reinterpret_cast<uintptr_t>(&__heap_base) + kUnit - 1) / kUnit * kUnit;
    heap_end = reinterpret_cast<uint8_t*>(__builtin_wasm_memory_size(0) * kPage);
    give(reinterpret_cast<uint8_t*>(start), static_cast<size_t>(heap_end - reinterpret_cast<uint8_t*>(start)));
  }
  const size_t pages = (bytes + kPage - 1) / kPage;
  if (__builtin_wasm_memory_grow(0, pages) == kMost) return false;
  give(heap_end, pages * kPage);
  heap_end += pages * kPage;
  return true;
}

/** @returns a block of `bytes`, a multiple of kUnit, or null where none is long enough */
uint8_t* take(size_t bytes) {
  for (Free** place = &first_free; *place; place = &(*place)->next) {
    Free* found = *place;
    if (found->bytes < bytes) continue;
    uint8_t* block = start_of(found);
    if (found->bytes == bytes) *place = found->next;
    else *place = new (block + bytes) Free{found->bytes - bytes, found->next};
    return block;
  }
  return nullptr;
}

}  // namespace

extern "C" {

void* aligned_alloc(size_t align, size_t bytes) {
  // As the standard has it, the bytes are a multiple of the alignment, which is kUnit with all who call.
  if (align != kUnit || bytes > kMost - 2 * kPage) return nullptr;
  const size_t all = bytes + kUnit;
  uint8_t* block = take(all);
  if (!block && grow(all)) block = take(all);
  if (!block) return nullptr;
  std::memcpy(block, &all, sizeof all);
  return block + kUnit;
}

void free(void* pointer) {
  if (!pointer) return;
  auto* block = static_cast<uint8_t*>(pointer) - kUnit;
  size_t bytes;
  std::memcpy(&bytes, block, sizeof bytes);
  give(block, bytes);
}

size_t strlen(const char* text) {
  size_t n = 0;
  while (text[n]) ++n;
  return n;
}

int strcmp(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

__attribute__((import_module("host"), import_name("exp"))) double host_exp(double x);
__attribute__((import_module("host"), import_name("sin"))) double host_sin(double x);
__attribute__((import_module("host"), import_name("cos"))) double host_cos(double x);
double exp(double x) { return host_exp(x); }
double sin(double x) { return host_sin(x); }
double cos(double x) { return host_cos(x); }
float expf(float x) { return static_cast<float>(host_exp(static_cast<double>(x))); }

void __wasm_call_ctors();
__attribute__((export_name("_initialize"))) void initialize() { __wasm_call_ctors(); }

}  // extern "C"

void* operator new(size_t bytes) { return dts::allocate(bytes); }
void* operator new(size_t bytes, std::align_val_t) { return dts::allocate(bytes); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }

// What libc++'s headers declare and its library defines.
_LIBCPP_BEGIN_NAMESPACE_STD

__shared_count::~__shared_count() {}
__shared_weak_count::~__shared_weak_count() {}
void __shared_weak_count::__release_weak() noexcept {
  if (__libcpp_atomic_refcount_decrement(__shared_weak_owners_) == -1) __on_zero_shared_weak();
}
const void* __shared_weak_count::__get_deleter(const type_info&) const noexcept { return nullptr; }

template <class Less, class Iterator>
void __sort(Iterator first, Iterator last, Less) {
  // Under another type than __less, which would lead here again.
  sort(first, last, [](const auto& a, const auto& b) { return a < b; });
}
template void __sort<__less<unsigned>&, unsigned*>(unsigned*, unsigned*, __less<unsigned>&);

[[noreturn]] void __libcpp_verbose_abort(const char* why, ...) noexcept { dts::fail(why); }

_LIBCPP_END_NAMESPACE_STD
