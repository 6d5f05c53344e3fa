// The kernels as a WebAssembly module. What JavaScript calls is in src/backends/wasm/native.ts; nobody else may call it.
// Objects are addresses; each belongs to the caller until it is released. All calls come from one thread. Every argument is as
// wide as an address, so that the caller need not know which are.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "../../cpu/dispatch.h"
#include "../../cpu/executor.h"
#include "../../cpu/weight.h"

using namespace dts;

#define DTS_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace {

/** What JavaScript holds of a T: executors share in weights and caches that it has released. */
template <class T>
using Handle = std::shared_ptr<T>;

template <class T>
Handle<T>* keep(Handle<T> held) {
  return new Handle<T>(std::move(held));
}

template <class T>
void assign(std::vector<T>& to, const T* from, size_t count) {
  to.assign(from, from + count);
}

uint8_t* part(Executor& executor, size_t id, size_t elements) {
  const Executor::Slot slot = executor.value(id);
  if (elements > slot.elements) fail("more elements than the value has");
  return slot.data;
}

}  // namespace

DTS_EXPORT(memory_new) void* memory_new(size_t bytes) { return allocate(bytes); }
DTS_EXPORT(memory_release) void memory_release(void* block) { std::free(block); }

/** Of all buffers. */
DTS_EXPORT(memory_bytes) size_t memory_bytes() { return buffer_count.bytes; }
DTS_EXPORT(memory_made) size_t memory_made() { return buffer_count.made; }
/** Of the module, in bytes. */
DTS_EXPORT(memory_size) size_t memory_size() { return __builtin_wasm_memory_size(0) << 16; }

DTS_EXPORT(thread_run) void thread_run(Thread::Body body, void* context, size_t index) {
  body(context, static_cast<unsigned>(index));
}

DTS_EXPORT(pool_new) Handle<Pool>* pool_new(size_t threads) {
  return keep(std::make_shared<Pool>(static_cast<unsigned>(threads)));
}

DTS_EXPORT(weight_new) Handle<Weight>* weight_new(const char* dtype, size_t rows, size_t cols, size_t block, size_t planned) {
  const size_t index = find_dtype(dtype);
  if (index == kDTypeCount) fail("unknown element type");
  auto weight = std::make_shared<Weight>(static_cast<DType>(index), rows, cols, planned != 0);
  weight->allocate();
  if (block > 0) weight->allocate_scales(block);
  return keep(std::move(weight));
}
DTS_EXPORT(weight_data) void* weight_data(Handle<Weight>* weight) { return (*weight)->data.data(); }
DTS_EXPORT(weight_size) size_t weight_size(Handle<Weight>* weight) { return (*weight)->data.bytes(); }
DTS_EXPORT(weight_scales) void* weight_scales(Handle<Weight>* weight) { return (*weight)->scales.data(); }
DTS_EXPORT(weight_scale_count) size_t weight_scale_count(Handle<Weight>* weight) { return (*weight)->scales.size(); }
/** Of its memory, whatever form it has now. */
DTS_EXPORT(weight_bytes) size_t weight_bytes(Handle<Weight>* weight) { return (*weight)->bytes(); }
DTS_EXPORT(weight_keeps_rows) bool weight_keeps_rows(Handle<Weight>* weight) { return !(*weight)->runs.empty(); }
DTS_EXPORT(weight_pack) bool weight_pack(Handle<Pool>* pool, Handle<Weight>* weight, size_t groups, size_t keep_rows) {
  return pack_weight(**weight, *kTargets[0]->products, {groups, keep_rows != 0}, **pool);
}
DTS_EXPORT(weight_release) void weight_release(Handle<Weight>* weight) { delete weight; }

/** dtypes: by their places in kDTypes */
DTS_EXPORT(cache_new) Handle<Cache>* cache_new(size_t page_size, size_t pages, const uint32_t* widths, const uint32_t* dtypes,
                                               size_t fields, size_t planned) {
  auto cache = std::make_shared<Cache>();
  cache->page_size = page_size;
  cache->pages = pages;
  for (size_t i = 0; i < fields; ++i) cache->fields.emplace_back(pages * page_size, widths[i], static_cast<DType>(dtypes[i]), planned != 0);
  return keep(std::move(cache));
}
/** No step may run meanwhile; nor in cache_write_page. */
DTS_EXPORT(cache_read_page) void cache_read_page(Handle<Cache>* cache, size_t page, uint8_t* into, size_t bytes) {
  if (!(*cache)->is_page(page, bytes)) fail("bytes that are no page of the cache");
  (*cache)->read_page(page, into);
}
DTS_EXPORT(cache_write_page) void cache_write_page(Handle<Cache>* cache, size_t page, const uint8_t* from, size_t bytes) {
  if (!(*cache)->is_page(page, bytes)) fail("bytes that are no page of the cache");
  (*cache)->write_page(page, from);
}
DTS_EXPORT(cache_release) void cache_release(Handle<Cache>* cache) { delete cache; }

/** weights: their addresses as JavaScript has them */
DTS_EXPORT(executor_new) Handle<Executor>* executor_new(Handle<Pool>* pool, const uint32_t* plan, size_t words,
                                                       const double* weights, size_t count, Handle<Cache>* cache) {
  std::vector<std::shared_ptr<const Weight>> list;
  for (size_t i = 0; i < count; ++i) list.push_back(*reinterpret_cast<Handle<Weight>*>(static_cast<uintptr_t>(weights[i])));
  return keep(std::make_shared<Executor>(**kTargets, *pool, plan, words, std::move(list), *cache));
}
DTS_EXPORT(executor_scratch_bytes) size_t executor_scratch_bytes(Handle<Executor>* executor) { return (*executor)->scratch_bytes(); }
/** The address of a value of at least `elements` elements. */
DTS_EXPORT(executor_value) void* executor_value(Handle<Executor>* executor, size_t id, size_t elements) {
  return part(**executor, id, elements);
}
DTS_EXPORT(executor_set_rows) void executor_set_rows(Handle<Executor>* executor, const int32_t* tokens, const int32_t* positions,
                                                    const int32_t* sequences, const uint8_t* kinds, size_t row_count,
                                                    const int32_t* logit_rows, size_t logit_count, const int32_t* table_starts,
                                                    size_t sequence_count, const int32_t* tables, size_t table_words) {
  Executor::Rows& rows = (*executor)->rows();
  assign(rows.tokens, tokens, row_count);
  assign(rows.positions, positions, row_count);
  assign(rows.sequences, sequences, row_count);
  assign(rows.kinds, kinds, row_count);
  assign(rows.logit_rows, logit_rows, logit_count);
  assign(rows.table_starts, table_starts, sequence_count);
  assign(rows.tables, tables, table_words);
}
DTS_EXPORT(executor_poison) void executor_poison(Handle<Executor>* executor) { (*executor)->poison(); }
DTS_EXPORT(executor_write) void executor_write(Handle<Executor>* executor, size_t id, const float* contents, size_t elements) {
  std::memcpy(part(**executor, id, elements), contents, elements * sizeof(float));
}
DTS_EXPORT(executor_copy) void executor_copy(Handle<Executor>* executor, size_t id, Handle<Executor>* other, size_t other_id,
                                            size_t elements) {
  std::memmove(part(**executor, id, elements), part(**other, other_id, elements), elements * sizeof(float));
}
DTS_EXPORT(executor_run) bool executor_run(Handle<Executor>* executor) { return (*executor)->run(); }
DTS_EXPORT(executor_release) void executor_release(Handle<Executor>* executor) { delete executor; }
