// Replays what a backend told the kernels (test/kernels/recorded-run.ts writes it): the same weights, plan and steps, on one
// thread and on several. The values read after each step must have the same bits, and a step must not allocate anything. Meant
// for ThreadSanitizer (npm run check:sanitizers), and run plain by the tests.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <vector>

#include "../dispatch.h"
#include "../executor.h"

namespace {

std::atomic<size_t> allocations{0};

void* counted(size_t bytes, size_t align) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* block = std::aligned_alloc(align, (bytes + align - 1) / align * align)) return block;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, std::align_val_t align) { return counted(bytes, static_cast<size_t>(align)); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }

namespace {

using namespace dts;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

/** A file of 32-bit words. */
class Words {
 public:
  explicit Words(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    expect(!bytes.empty() && bytes.size() % 4 == 0, "the file of the run can be read");
    words_.resize(bytes.size() / 4);
    std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  uint32_t next() { return *take(1); }
  const uint32_t* take(size_t count) {
    expect(count <= words_.size() - at_, "the file of the run is complete");
    at_ += count;
    return words_.data() + at_ - count;
  }
  std::vector<int32_t> list() {
    const size_t count = next();
    const auto* from = reinterpret_cast<const int32_t*>(take(count));
    return {from, from + count};
  }
  bool done() const { return at_ == words_.size(); }

 private:
  std::vector<uint32_t> words_;
  size_t at_ = 0;
};

struct WeightPlace {
  uint32_t dtype, rows, cols, scale_block, groups, keep_rows, when_chosen;
  const uint32_t* bytes;
  const uint32_t* scales;
};

struct Reading {
  uint32_t value, elements;
};

struct StepRows {
  Executor::Rows rows;
  std::vector<Reading> readings;
};

struct Run {
  explicit Run(Words& words) {
    for (uint32_t left = words.next(); left > 0; --left) {
      const uint32_t* head = words.take(7);
      WeightPlace place{head[0], head[1], head[2], head[3], head[4], head[5], head[6], nullptr, nullptr};
      place.bytes = words.take(words.next());
      place.scales = words.take(words.next());
      weights.push_back(place);
    }
    page_size = words.next();
    pages = words.next();
    fields = words.list();
    plan_words = words.next();
    plan = words.take(plan_words);
    for (uint32_t left = words.next(); left > 0; --left) {
      StepRows step;
      Executor::Rows& rows = step.rows;
      for (auto* list : {&rows.tokens, &rows.positions, &rows.sequences}) *list = words.list();
      const std::vector<int32_t> kinds = words.list();
      rows.kinds.assign(kinds.begin(), kinds.end());
      for (auto* list : {&rows.logit_rows, &rows.table_starts, &rows.tables}) *list = words.list();
      for (uint32_t readings = words.next(); readings > 0; --readings) {
        const uint32_t value = words.next();
        step.readings.push_back({value, words.next()});
      }
      steps.push_back(std::move(step));
    }
    expect(words.done() && !steps.empty(), "the file of the run is understood");
  }

  std::vector<WeightPlace> weights;
  uint32_t page_size = 0, pages = 0;
  /** Width and dtype of each. */
  std::vector<int32_t> fields;
  const uint32_t* plan = nullptr;
  size_t plan_words = 0;
  std::vector<StepRows> steps;
};

/** @param late experts wait until they are chosen, for which their rows are kept */
std::shared_ptr<const Weight> load(const WeightPlace& place, bool late, Pool& pool) {
  auto weight = std::make_shared<Weight>(static_cast<DType>(place.dtype), place.rows, place.cols, false);
  weight->allocate();
  std::memcpy(weight->data.data(), place.bytes, weight->data.bytes());
  if (place.scale_block > 0) {
    weight->allocate_scales(place.scale_block);
    std::memcpy(weight->scales.data(), place.scales, weight->scales.bytes());
  }
  if (place.groups > 0) {
    const bool waits = late && place.when_chosen != 0;
    const bool packed = pack_weight(*weight, *kScalarTable.products, {place.groups, waits || place.keep_rows != 0, waits}, pool);
    expect(packed, "the weight can be packed");
  }
  return weight;
}

/** What all steps of the run give to read. */
std::vector<uint32_t> replay(const Run& run, unsigned threads, bool late) {
  const auto pool = std::make_shared<Pool>(threads);
  auto cache = std::make_shared<Cache>();
  cache->page_size = run.page_size;
  cache->pages = run.pages;
  for (size_t i = 0; i < run.fields.size(); i += 2) {
    cache->fields.emplace_back(run.pages * run.page_size, run.fields[i], static_cast<DType>(run.fields[i + 1]), false);
  }
  std::vector<std::shared_ptr<const Weight>> weights;
  for (const WeightPlace& place : run.weights) weights.push_back(load(place, late, *pool));
  Executor executor(kScalarTable, pool, run.plan, run.plan_words, std::move(weights), cache);

  std::vector<uint32_t> results;
  for (const StepRows& step : run.steps) {
    const size_t before = allocations;
    Executor::Rows& rows = executor.rows();
    rows.tokens.assign(step.rows.tokens.begin(), step.rows.tokens.end());
    rows.positions.assign(step.rows.positions.begin(), step.rows.positions.end());
    rows.sequences.assign(step.rows.sequences.begin(), step.rows.sequences.end());
    rows.kinds.assign(step.rows.kinds.begin(), step.rows.kinds.end());
    rows.logit_rows.assign(step.rows.logit_rows.begin(), step.rows.logit_rows.end());
    rows.table_starts.assign(step.rows.table_starts.begin(), step.rows.table_starts.end());
    rows.tables.assign(step.rows.tables.begin(), step.rows.tables.end());
    expect(executor.run(), "a step nobody aborts ends well");
    expect(allocations == before, "a step allocates nothing");
    for (const Reading& reading : step.readings) {
      const Executor::Slot slot = executor.value(reading.value);
      expect(reading.elements <= slot.elements, "a value has as many elements as are read");
      const auto* from = reinterpret_cast<const uint32_t*>(slot.data);
      results.insert(results.end(), from, from + reading.elements);
    }
  }
  return results;
}

}  // namespace

int main(int count, char** files) {
  expect(count > 1, "a file is named");
  for (int i = 1; i < count; ++i) {
    Words words(files[i]);
    const Run run(words);
    const std::vector<uint32_t> alone = replay(run, 1, false);
    expect(!alone.empty(), "something is read");
    for (const unsigned threads : {1u, 2u, 4u, 4u}) {
      for (const bool late : {false, true}) {
        expect(replay(run, threads, late) == alone, "the same bits on any number of threads, whenever experts are packed");
      }
    }
  }
  std::puts("ok");
}
