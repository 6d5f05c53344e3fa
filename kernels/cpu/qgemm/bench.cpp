// Speed of the products beside what the machine can do, both measured in the same run; minima over repeats.
//
//   bench [TABLE] [TYPE] [seconds a case] [threads]      default: the best table of this CPU, all types, 1, both 1 and 2
//
// GB/s: packed bytes read a second, over so many copies that no cache holds them. GOP/s: 2 · rows · cols · n a second.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "layout.h"
#include "qgemm.h"
#include "runnable.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using namespace dts::qgemm;
constexpr size_t kStreamBytes = size_t{600} << 20;

// CPU time of this thread: other processes that take the CPU in between do not count.
double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Smallest time of work(thread) on all threads together: the time of the slowest of them.
double seconds(unsigned threads, double budget, const std::function<void(unsigned)>& work) {
  double best = 1e9, spent = 0;
  for (int repeat = 0; repeat < 3 || spent < budget; ++repeat) {
    std::atomic<unsigned> waiting{threads};
    std::vector<double> took(threads);
    auto body = [&](unsigned t) {
      --waiting;
      while (waiting.load() != 0) {
      }
      const double began = cpu_seconds();
      work(t);
      took[t] = cpu_seconds() - began;
    };
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; ++t) others.emplace_back(body, t);
    body(0);
    for (std::thread& other : others) other.join();
    const double slowest = *std::max_element(took.begin(), took.end());
    best = std::min(best, slowest);
    spent += slowest;
  }
  return best;
}

template <class T>
struct Buffer {
  explicit Buffer(size_t count) : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64))) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data); }
  T* data;
};

volatile uint64_t sink;

#if defined(__x86_64__)
template <size_t kAhead>
__attribute__((target("avx2"))) uint64_t read_all(const uint8_t* p, size_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (size_t i = 0; i < bytes; i += 128) {
    if constexpr (kAhead > 0) {
      __builtin_prefetch(p + i + kAhead);
      __builtin_prefetch(p + i + kAhead + 64);
    }
    const __m256i* v = reinterpret_cast<const __m256i*>(p + i);
    a = _mm256_xor_si256(a, v[0]), b = _mm256_xor_si256(b, v[1]), c = _mm256_xor_si256(c, v[2]), d = _mm256_xor_si256(d, v[3]);
  }
  return static_cast<uint64_t>(_mm256_extract_epi64(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)), 0));
}

__attribute__((target("avx512f,avx512vnni"))) uint64_t dot_all(size_t rounds) {
  __m512i acc[16];
  for (int i = 0; i < 16; ++i) acc[i] = _mm512_set1_epi32(i);
  const __m512i x = _mm512_set1_epi32(static_cast<int>(sink)), y = _mm512_set1_epi32(3);
  for (size_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], x, y);
  }
  for (int i = 1; i < 16; ++i) acc[0] = _mm512_xor_si512(acc[0], acc[i]);
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, acc[0]);
  return words[0];
}
#else
template <size_t>
uint64_t read_all(const uint8_t* p, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes; i += 8) sum ^= *reinterpret_cast<const uint64_t*>(p + i);
  return sum;
}
#endif

// The best of reading with the hardware's prefetching alone and with two distances of one's own.
double read_bandwidth(unsigned threads, double budget, const uint8_t* buffer) {
  const size_t share = kStreamBytes / threads / 128 * 128;
  double best = 1e9;
  for (auto* read : {read_all<0>, read_all<2048>, read_all<4096>})
    best = std::min(best, seconds(threads, budget, [&](unsigned t) { sink = read(buffer + t * share, share); }));
  return static_cast<double>(share) * threads / best * 1e-9;
}

double dot_peak(unsigned threads, double budget, const Table& table) {
#if defined(__x86_64__)
  if (&table == &avx512vnni_table) {
    const size_t rounds = 400000;
    const double s = seconds(threads, budget / 4, [&](unsigned) { sink = dot_all(rounds) & 1; });
    return static_cast<double>(rounds) * 16 * 128 * threads / s * 1e-9;
  }
#endif
  (void)threads, (void)budget, (void)table;
  return 0;
}

struct Named {
  Type type;
  const char* name;
};
constexpr Named kTypes[] = {
    {Type::Q8_0, "Q8_0"}, {Type::Q4_K, "Q4_K"}, {Type::Q6_K, "Q6_K"}, {Type::Q4_0, "Q4_0"},     {Type::Q5_K, "Q5_K"},
    {Type::Q5_0, "Q5_0"}, {Type::Q4_1, "Q4_1"}, {Type::Q5_1, "Q5_1"}, {Type::IQ4_NL, "IQ4_NL"}, {Type::IQ4_XS, "IQ4_XS"},
};

// Rows of random codes with small scales.
std::vector<uint8_t> make_rows(Type type, size_t rows, size_t cols) {
  const Geometry g = geometry(type);
  std::vector<uint8_t> raw(rows * (cols / g.block_columns) * g.block_bytes);
  uint64_t state = 7;
  for (uint8_t& byte : raw) byte = static_cast<uint8_t>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  for (size_t at = 0; at < raw.size(); at += g.block_bytes) {
    const size_t d = at + (type == Type::Q6_K ? 208 : 0);
    raw[d + 1] = 0x1c;
    if (g.block_bytes >= 20) raw[d + 3 < raw.size() ? d + 3 : d + 1] = 0x1c;
  }
  return raw;
}

struct Shape {
  size_t rows, cols;
};
constexpr Shape kShapes[] = {{2048, 2048}, {1408, 2048}, {2048, 1408}, {129280, 2048}};
constexpr size_t kBatches[] = {1, 2, 4, 8, 16, 48, 512};

}  // namespace

int main(int argc, char** argv) {
  const Table* table = nullptr;
  for (const Table* t : kTables)
    if (argc > 1 && *argv[1] ? std::strcmp(argv[1], t->name) == 0 : runnable(*t)) table = t;
  if (table == nullptr || !runnable(*table)) return std::fprintf(stderr, "no such table on this CPU\n"), 1;
  const double budget = argc > 3 ? std::atof(argv[3]) : 1;
  const unsigned from = argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 1, to = argc > 4 ? from : 2;

  Buffer<uint8_t> stream(kStreamBytes);
  std::memset(stream.data, 1, kStreamBytes);
  std::printf("%s\n", table->name);
  for (const Named& named : kTypes) {
    if (argc > 2 && *argv[2] && std::strcmp(argv[2], named.name) != 0) continue;
    for (unsigned threads = from; threads <= to; ++threads) {
      const double bandwidth = read_bandwidth(threads, budget, stream.data), peak = dot_peak(threads, budget, *table);
      std::printf("%s, %u thread%s: read %.1f GB/s, dot peak %.0f GOP/s\n", named.name, threads, threads == 1 ? "" : "s", bandwidth, peak);
      for (const Shape shape : kShapes) {
        const size_t bytes = table->packed_bytes(named.type, shape.rows, shape.cols);
        if (bytes == 0) continue;
        const std::vector<uint8_t> raw = make_rows(named.type, shape.rows, shape.cols);
        const size_t copies = std::max<size_t>(1, kStreamBytes / bytes);
        Buffer<uint8_t> packed(copies * bytes);
        table->pack(named.type, raw.data(), 0, shape.rows, shape.cols, packed.data);
        for (size_t c = 1; c < copies; ++c) std::memcpy(packed.data + c * bytes, packed.data, bytes);
        for (const size_t n : kBatches) {
          if (n == 512 && shape.rows > 100000) continue;
          std::vector<float> x(n * shape.cols), out(n * shape.rows);
          for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7919 % 1000) - 500) * 1e-3f;
          Buffer<QBlock> q(n * shape.cols / 32);
          table->quantize_rows(x.data(), shape.cols, n, shape.cols, q.data);
          const size_t used = n <= 8 ? copies : std::min<size_t>(copies, n <= 48 ? 40 : 4);
          const size_t panels = (shape.rows + table->lanes - 1) / table->lanes;
          const double s = seconds(threads, budget, [&](unsigned t) {
            const size_t row0 = panels * t / threads * table->lanes;
            const size_t row1 = std::min(shape.rows, panels * (t + 1) / threads * table->lanes);
            for (size_t c = 0; c < used; ++c) {
              const Matrix m{named.type, shape.rows, shape.cols, packed.data + c * bytes};
              table->gemm(m, row0, row1, {q.data, nullptr, n}, out.data(), shape.rows);
            }
          });
          const double gbs = static_cast<double>(bytes * used) / s * 1e-9;
          const double gops = 2.0 * static_cast<double>(shape.rows * shape.cols * n * used) / s * 1e-9;
          std::printf("  %6zu x %4zu, n %3zu: %6.1f GB/s %3.0f %%   %7.0f GOP/s %3.0f %%\n", shape.rows, shape.cols, n, gbs,
                      gbs / bandwidth * 100, gops, peak > 0 ? gops / peak * 100 : 0.0);
          std::fflush(stdout);
        }
      }
    }
  }
}
