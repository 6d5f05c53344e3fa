// The kernels as a Node-API addon. What JavaScript sees is typed in src/backends/cpu/addon.ts; nobody else may call it.
// Long work happens on a thread of libuv's pool and, from there, on the threads of the backend's own pool.
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "../../cpu/dispatch.h"
#include "../../cpu/encode/encode.h"
#include "../../cpu/executor.h"
#include "../../cpu/machine_speed.h"
#include "../../cpu/weight.h"

namespace {

using dts::Executor;

/** Carries out `work` off the event loop; the promise gets what `result` makes of it. `kept` stays alive meanwhile. */
template <class Work, class Result>
class Task : public Napi::AsyncWorker {
 public:
  static Napi::Value start(Napi::Env env, Napi::Object kept, Work work, Result result) {
    auto* task = new Task(env, std::move(work), std::move(result));
    task->kept_ = Napi::Persistent(kept);
    const Napi::Promise promise = task->deferred_.Promise();
    task->Queue();
    return promise;
  }

  void Execute() override { work_(); }
  void OnOK() override {
    settle([this] { deferred_.Resolve(result_(Env())); });
  }
  void OnError(const Napi::Error& error) override {
    settle([&] { deferred_.Reject(error.Value()); });
  }

 private:
  Task(Napi::Env env, Work work, Result result)
      : AsyncWorker(env, "deepts"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        result_(std::move(result)) {}

  /** A thread that is being ended can neither settle promises nor throw: nobody is left to hear of it. */
  template <class Settle>
  static void settle(const Settle& settle) {
    try {
      settle();
    } catch (const Napi::Error&) {
    }
  }

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference kept_;
  Work work_;
  Result result_;
};

size_t size_at(const Napi::CallbackInfo& info, size_t index) {
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 0 && value <= 9007199254740991.0)) throw Napi::RangeError::New(info.Env(), "a size is out of range");
  return static_cast<size_t>(value);
}

/** std::memcpy, which must not be given null even for nothing: an empty typed array may have no memory. */
void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

template <class T, class Array>
void assign(std::vector<T>& to, const Array& from) {
  to.assign(from.Data(), from.Data() + from.ElementLength());
}

/** An object of JavaScript that shares in a T until it is closed. */
template <class Self, class T>
class Handle : public Napi::ObjectWrap<Self> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info) {
    info.This().As<Napi::Object>().TypeTag(&Self::kTag);
  }

  const std::shared_ptr<T>& get(Napi::Env env) const {
    if (!held_) throw Napi::Error::New(env, "closed");
    return held_;
  }

  static const std::shared_ptr<T>& from(const Napi::Value& value) {
    const Napi::Env env = value.Env();
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Self::kTag)) {
      throw Napi::TypeError::New(env, "an object of another kind was expected");
    }
    return Self::Unwrap(value.As<Napi::Object>())->get(env);
  }

 protected:
  std::shared_ptr<T> held_;
};

/** The threads of a backend and the target their kernels are of. */
struct Machine {
  const dts::KernelTable* kernels;
  std::shared_ptr<dts::Pool> pool;
};

/** new Pool(threads, target | null) */
class PoolHandle : public Handle<PoolHandle, Machine> {
 public:
  static constexpr napi_type_tag kTag{0xd47cbb5e1f0a4c01, 0x8e0b6a7c3d2f1901};

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Pool",
                       {InstanceAccessor<&PoolHandle::target>("target"), InstanceMethod<&PoolHandle::encode>("encode"),
                        InstanceMethod<&PoolHandle::measure>("measure"),
                        InstanceMethod<&PoolHandle::stop>("close")});
  }

  explicit PoolHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const size_t threads = size_at(info, 0);
    const bool forced = info[1].IsString();
    const std::string name = forced ? info[1].As<Napi::String>().Utf8Value() : "";
    const dts::KernelTable* kernels = dts::pick_target(forced ? name.c_str() : nullptr, dts::cpu_features());
    if (!kernels) throw Napi::RangeError::New(info.Env(), "unknown or unrunnable target " + name);
    held_ = std::make_shared<Machine>(Machine{kernels, std::make_shared<dts::Pool>(static_cast<unsigned>(threads))});
  }

 private:
  Napi::Value target(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), get(info.Env())->kernels->name); }

  /**
   * (from, bytes: Uint8Array, cols, to, out: Uint8Array, importance: Float32Array | null, rowsPerImportance): Promise<number>
   * of the first row that cannot be stored, the number of rows where all can. One call at a time.
   */
  Napi::Value encode(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto pool = get(env)->pool;
    const size_t from = dts::find_dtype(info[0].As<Napi::String>().Utf8Value().c_str());
    const size_t to = dts::find_dtype(info[3].As<Napi::String>().Utf8Value().c_str());
    if (from == dts::kDTypeCount || to == dts::kDTypeCount || !dts::can_encode(static_cast<dts::DType>(to))) {
      throw Napi::RangeError::New(env, "a type that cannot be read or written");
    }
    auto in = info[1].As<Napi::Uint8Array>(), out = info[4].As<Napi::Uint8Array>();
    dts::EncodeJob job{static_cast<dts::DType>(from), in.Data(), static_cast<dts::DType>(to), out.Data(), 0, size_at(info, 2), nullptr, 1};
    const size_t row = dts::bytes_of(job.from, job.cols);
    const bool whole = row > 0 && in.ByteLength() % row == 0 && job.cols % dts::info(job.from).block_elements == 0 &&
                       job.cols % dts::info(job.to).block_elements == 0;
    job.rows = whole ? in.ByteLength() / row : 0;
    if (!whole || out.ByteLength() != job.rows * dts::bytes_of(job.to, job.cols)) {
      throw Napi::RangeError::New(env, "bytes that are not whole rows");
    }
    if (!info[5].IsNull()) {
      auto importance = info[5].As<Napi::Float32Array>();
      job.rows_per_importance = size_at(info, 6);
      const size_t groups = job.rows_per_importance == 0 ? 0 : (job.rows + job.rows_per_importance - 1) / job.rows_per_importance;
      if (groups == 0 || importance.ElementLength() != groups * job.cols) {
        throw Napi::RangeError::New(env, "importance that does not fit the rows");
      }
      job.importance = importance.Data();
    }
    const Napi::Array kept = Napi::Array::New(env);
    kept.Set(0u, in);
    kept.Set(1u, out);
    kept.Set(2u, info[5]);
    const auto bad = std::make_shared<size_t>(0);
    return Task<std::function<void()>, std::function<Napi::Value(Napi::Env)>>::start(
        env, kept, [pool, job, bad] { *bad = dts::encode_rows(job, *pool); },
        [bad](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(*bad)); });
  }

  /** What the machine reaches with these threads: Promise<{ read, copy, flops }>, all a second. No step may run meanwhile. */
  Napi::Value measure(const Napi::CallbackInfo& info) {
    const auto machine = get(info.Env());
    const auto speed = std::make_shared<dts::MachineSpeed>();
    return Task<std::function<void()>, std::function<Napi::Value(Napi::Env)>>::start(
        info.Env(), info.This().As<Napi::Object>(),
        [machine, speed] { *speed = dts::measure_machine(*machine->kernels, *machine->pool); },
        [speed](Napi::Env env) {
          const Napi::Object result = Napi::Object::New(env);
          result.Set("read", speed->read);
          result.Set("copy", speed->copy);
          result.Set("flops", speed->flops);
          return result;
        });
  }

  /** A step under way ends soon; the threads go with the last executor. */
  void stop(const Napi::CallbackInfo&) {
    if (held_) held_->pool->abort();
    held_.reset();
  }
};

/**
 * new Weight(pool, dtype, rows, cols, scaleBlock, planned): a weight without memory yet; scaleBlock > 0 adds a scale for so many
 * columns; a planned one never gets any.
 */
class WeightHandle : public Handle<WeightHandle, dts::Weight> {
 public:
  static constexpr napi_type_tag kTag{0xd47cbb5e1f0a4c02, 0x8e0b6a7c3d2f1902};

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Weight",
        {InstanceAccessor<&WeightHandle::bytes>("bytes"), InstanceAccessor<&WeightHandle::mapped_bytes>("mappedBytes"),
         InstanceAccessor<&WeightHandle::keeps_rows>("keepsRows"), InstanceMethod<&WeightHandle::allocate>("allocate"),
         InstanceMethod<&WeightHandle::map>("map"), InstanceMethod<&WeightHandle::write>("write"),
         InstanceMethod<&WeightHandle::write_scales>("writeScales"), InstanceMethod<&WeightHandle::pack>("pack"),
         InstanceMethod<&WeightHandle::close>("close")});
  }

  explicit WeightHandle(const Napi::CallbackInfo& info) : Handle(info) {
    machine_ = PoolHandle::from(info[0]);
    const size_t dtype = dts::find_dtype(info[1].As<Napi::String>().Utf8Value().c_str());
    if (dtype == dts::kDTypeCount) throw Napi::RangeError::New(info.Env(), "unknown element type");
    const size_t rows = size_at(info, 2), cols = size_at(info, 3), block = size_at(info, 4);
    held_ = std::make_shared<dts::Weight>(static_cast<dts::DType>(dtype), rows, cols, info[5].As<Napi::Boolean>().Value());
    if (block > 0) held_->allocate_scales(block);
  }

 private:
  void close(const Napi::CallbackInfo&) {
    held_.reset();
    machine_.reset();
  }

  Napi::Value bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(get(info.Env())->bytes()));
  }
  Napi::Value mapped_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(get(info.Env())->mapped_bytes()));
  }
  Napi::Value keeps_rows(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), !get(info.Env())->runs.empty());
  }

  void allocate(const Napi::CallbackInfo& info) { get(info.Env())->allocate(); }

  /** (file, starts: number[]): boolean; the rows are runs of equal length that start at these bytes of the file */
  Napi::Value map(const Napi::CallbackInfo& info) {
    dts::Weight& weight = *get(info.Env());
    const std::string file = info[0].As<Napi::String>().Utf8Value();
    const auto list = info[1].As<Napi::Array>();
    const size_t count = list.Length();
    if (count == 0 || weight.rows == 0 || weight.rows % count != 0) throw Napi::RangeError::New(info.Env(), "runs of unequal length");
    std::vector<uint64_t> starts;
    for (uint32_t i = 0; i < count; ++i) starts.push_back(static_cast<uint64_t>(list.Get(i).As<Napi::Number>().Int64Value()));
    const uint64_t first = *std::min_element(starts.begin(), starts.end());
    const size_t run_rows = weight.rows / count;
    const size_t length = static_cast<size_t>(*std::max_element(starts.begin(), starts.end()) - first) + run_rows * weight.row_bytes;
    dts::Mapping mapping = dts::Mapping::open(file.c_str(), first, length);
    if (!mapping.data()) return Napi::Boolean::New(info.Env(), false);
    weight.runs.clear();
    for (const uint64_t start : starts) weight.runs.push_back(mapping.data() + (start - first));
    weight.run_rows = run_rows;
    weight.mapping = std::move(mapping);
    return Napi::Boolean::New(info.Env(), true);
  }

  /** (groups, keepRows, whenChosen): Promise<boolean> */
  Napi::Value pack(const Napi::CallbackInfo& info) {
    const auto weight = get(info.Env());
    const auto machine = machine_;
    const dts::Packing packing{size_at(info, 0), info[1].As<Napi::Boolean>().Value(), info[2].As<Napi::Boolean>().Value()};
    const auto packed = std::make_shared<bool>(false);
    return Task<std::function<void()>, std::function<Napi::Value(Napi::Env)>>::start(
        info.Env(), info.This().As<Napi::Object>(),
        [=] { *packed = dts::pack_weight(*weight, *machine->kernels->products, packing, *machine->pool); },
        [packed](Napi::Env env) { return Napi::Boolean::New(env, *packed); });
  }

  /** (offset, bytes: Uint8Array): Promise<void> */
  Napi::Value write(const Napi::CallbackInfo& info) {
    const auto weight = get(info.Env());
    const size_t offset = size_at(info, 0);
    const auto source = info[1].As<Napi::Uint8Array>();
    const size_t length = source.ByteLength();
    if (weight->planned || offset > weight->data.size() || length > weight->data.size() - offset) {
      throw Napi::RangeError::New(info.Env(), "bytes outside the weight");
    }
    const uint8_t* from = source.Data();
    return Task<std::function<void()>, Napi::Value (*)(Napi::Env)>::start(
        info.Env(), source, [weight, offset, from, length] { copy(weight->data.data() + offset, from, length); },
        [](Napi::Env env) { return env.Undefined(); });
  }

  /** (offset, scales: Float32Array) */
  void write_scales(const Napi::CallbackInfo& info) {
    const auto& weight = get(info.Env());
    const size_t offset = size_at(info, 0);
    const auto source = info[1].As<Napi::Float32Array>();
    const size_t length = source.ElementLength();
    if (weight->planned || offset > weight->scales.size() || length > weight->scales.size() - offset) {
      throw Napi::RangeError::New(info.Env(), "scales outside the weight");
    }
    copy(weight->scales.data() + offset, source.Data(), length * sizeof(float));
  }

  std::shared_ptr<Machine> machine_;
};

/** new Cache(pageSize, pages, widths: number[], dtypes: string[], planned) */
class CacheHandle : public Handle<CacheHandle, dts::Cache> {
 public:
  static constexpr napi_type_tag kTag{0xd47cbb5e1f0a4c03, 0x8e0b6a7c3d2f1903};

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Cache",
                       {InstanceAccessor<&CacheHandle::bytes>("bytes"), InstanceMethod<&CacheHandle::read_page>("readPage"),
                        InstanceMethod<&CacheHandle::write_page>("writePage"), InstanceMethod<&CacheHandle::close>("close")});
  }

  explicit CacheHandle(const Napi::CallbackInfo& info) : Handle(info) {
    auto cache = std::make_shared<dts::Cache>();
    cache->page_size = size_at(info, 0);
    cache->pages = size_at(info, 1);
    const auto widths = info[2].As<Napi::Array>(), dtypes = info[3].As<Napi::Array>();
    const bool planned = info[4].As<Napi::Boolean>().Value();
    for (uint32_t i = 0; i < widths.Length(); ++i) {
      const double width = widths.Get(i).As<Napi::Number>().DoubleValue();
      const size_t dtype = dts::find_dtype(dtypes.Get(i).As<Napi::String>().Utf8Value().c_str());
      if (dtype == dts::kDTypeCount) throw Napi::RangeError::New(info.Env(), "unknown element type");
      cache->fields.emplace_back(cache->pages * cache->page_size, static_cast<size_t>(width), static_cast<dts::DType>(dtype), planned);
    }
    held_ = std::move(cache);
  }

 private:
  void close(const Napi::CallbackInfo&) { held_.reset(); }

  /** (page, into: Uint8Array). No step may run meanwhile. */
  void read_page(const Napi::CallbackInfo& info) {
    const auto& cache = get(info.Env());
    auto into = info[1].As<Napi::Uint8Array>();
    cache->read_page(page_at(info, into.ByteLength()), into.Data());
  }

  /** (page, bytes: Uint8Array). No step may run meanwhile. */
  void write_page(const Napi::CallbackInfo& info) {
    const auto& cache = get(info.Env());
    const auto from = info[1].As<Napi::Uint8Array>();
    cache->write_page(page_at(info, from.ByteLength()), from.Data());
  }

  size_t page_at(const Napi::CallbackInfo& info, size_t bytes) {
    const size_t page = size_at(info, 0);
    if (!get(info.Env())->is_page(page, bytes)) throw Napi::RangeError::New(info.Env(), "bytes that are no page of the cache");
    return page;
  }

  Napi::Value bytes(const Napi::CallbackInfo& info) {
    double bytes = 0;
    for (const dts::CacheField& field : get(info.Env())->fields) bytes += static_cast<double>(field.data.bytes());
    return Napi::Number::New(info.Env(), bytes);
  }
};

/** new Executor(pool, plan: Uint32Array, weights: Weight[], cache) */
class ExecutorHandle : public Handle<ExecutorHandle, Executor> {
 public:
  static constexpr napi_type_tag kTag{0xd47cbb5e1f0a4c04, 0x8e0b6a7c3d2f1904};

  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Executor",
        {InstanceAccessor<&ExecutorHandle::scratch_bytes>("scratchBytes"),
         InstanceMethod<&ExecutorHandle::set_rows>("setRows"), InstanceMethod<&ExecutorHandle::poison>("poison"),
         InstanceMethod<&ExecutorHandle::write>("write"), InstanceMethod<&ExecutorHandle::read>("read"),
         InstanceMethod<&ExecutorHandle::copy_from>("copyFrom"), InstanceMethod<&ExecutorHandle::run>("run"),
         InstanceMethod<&ExecutorHandle::close>("close")});
  }

  explicit ExecutorHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const auto& machine = PoolHandle::from(info[0]);
    const auto plan = info[1].As<Napi::Uint32Array>();
    const auto list = info[2].As<Napi::Array>();
    std::vector<std::shared_ptr<const dts::Weight>> weights;
    for (uint32_t i = 0; i < list.Length(); ++i) weights.push_back(WeightHandle::from(list.Get(i)));
    held_ = std::make_shared<Executor>(*machine->kernels, machine->pool, plan.Data(), plan.ElementLength(), std::move(weights),
                                       CacheHandle::from(info[3]));
  }

 private:
  void close(const Napi::CallbackInfo&) { held_.reset(); }

  Napi::Value scratch_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(get(info.Env())->scratch_bytes()));
  }

  /** (tokens, positions, sequences, kinds, logitRows, tableStarts, tables) */
  void set_rows(const Napi::CallbackInfo& info) {
    Executor::Rows& rows = get(info.Env())->rows();
    assign(rows.tokens, info[0].As<Napi::Int32Array>());
    assign(rows.positions, info[1].As<Napi::Int32Array>());
    assign(rows.sequences, info[2].As<Napi::Int32Array>());
    assign(rows.kinds, info[3].As<Napi::Uint8Array>());
    assign(rows.logit_rows, info[4].As<Napi::Int32Array>());
    assign(rows.table_starts, info[5].As<Napi::Int32Array>());
    assign(rows.tables, info[6].As<Napi::Int32Array>());
  }

  void poison(const Napi::CallbackInfo& info) { get(info.Env())->poison(); }

  /** The bytes of a value from its start. */
  static uint8_t* part(Napi::Env env, const Executor::Slot& slot, size_t elements) {
    if (elements > slot.elements) throw Napi::RangeError::New(env, "more elements than the value has");
    return slot.data;
  }

  /** (value, contents: Float32Array) */
  void write(const Napi::CallbackInfo& info) {
    const auto source = info[1].As<Napi::Float32Array>();
    const auto slot = get(info.Env())->value(size_at(info, 0));
    copy(part(info.Env(), slot, source.ElementLength()), source.Data(), source.ByteLength());
  }

  /** (value, into: Float32Array | Int32Array) */
  void read(const Napi::CallbackInfo& info) {
    const auto target = info[1].As<Napi::TypedArray>();
    const auto slot = get(info.Env())->value(size_at(info, 0));
    auto* to = static_cast<uint8_t*>(target.ArrayBuffer().Data()) + target.ByteOffset();
    copy(to, part(info.Env(), slot, target.ElementLength()), target.ByteLength());
  }

  /** (value, other: Executor, otherValue, elements) */
  void copy_from(const Napi::CallbackInfo& info) {
    const size_t elements = size_at(info, 3);
    uint8_t* to = part(info.Env(), get(info.Env())->value(size_at(info, 0)), elements);
    const uint8_t* from = part(info.Env(), ExecutorHandle::from(info[1])->value(size_at(info, 2)), elements);
    std::memmove(to, from, elements * sizeof(float));
  }

  /** One step over the rows set last: Promise<boolean>, false when the pool was closed meanwhile. */
  Napi::Value run(const Napi::CallbackInfo& info) {
    const auto executor = get(info.Env());
    const auto finished = std::make_shared<bool>(false);
    return Task<std::function<void()>, std::function<Napi::Value(Napi::Env)>>::start(
        info.Env(), info.This().As<Napi::Object>(), [executor, finished] { *finished = executor->run(); },
        [finished](Napi::Env env) { return Napi::Boolean::New(env, *finished); });
  }
};

/** [{ name, runs }], the best first */
Napi::Value targets(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array list = Napi::Array::New(env);
  for (uint32_t i = 0; dts::kTargets[i]; ++i) {
    const Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", dts::kTargets[i]->name);
    entry.Set("runs", (dts::kTargets[i]->needs & ~dts::cpu_features()) == 0);
    list.Set(i, entry);
  }
  return list;
}

/** [{ name, blockElements, blockBytes }] */
Napi::Value dtypes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array list = Napi::Array::New(env);
  for (uint32_t i = 0; i < dts::kDTypeCount; ++i) {
    const Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", dts::kDTypes[i].name);
    entry.Set("blockElements", dts::kDTypes[i].block_elements);
    entry.Set("blockBytes", dts::kDTypes[i].block_bytes);
    list.Set(i, entry);
  }
  return list;
}

/** { bytes, made } of all buffers of the process */
Napi::Value buffers(const Napi::CallbackInfo& info) {
  const Napi::Object counts = Napi::Object::New(info.Env());
  counts.Set("bytes", static_cast<double>(dts::buffer_count.bytes.load()));
  counts.Set("made", static_cast<double>(dts::buffer_count.made.load()));
  return counts;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Pool", PoolHandle::define(env));
  exports.Set("Weight", WeightHandle::define(env));
  exports.Set("Cache", CacheHandle::define(env));
  exports.Set("Executor", ExecutorHandle::define(env));
  exports.Set("targets", Napi::Function::New<targets>(env));
  exports.Set("buffers", Napi::Function::New<buffers>(env));
  exports.Set("dtypes", Napi::Function::New<dtypes>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(deepts, init)
