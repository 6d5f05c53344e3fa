#include "executor.h"

#include <algorithm>
#include <limits>

#include "plan_reader.h"

namespace dts {

Executor::Executor(const KernelTable& kernels, std::shared_ptr<Pool> pool, const uint32_t* plan, size_t words,
                   std::vector<std::shared_ptr<const Weight>> weights, std::shared_ptr<Cache> cache)
    : kernels_(kernels), pool_(std::move(pool)), weights_(std::move(weights)), cache_(std::move(cache)) {
  PlanReader(*this, plan, words).read();
  reserve_scratch();
}

template <class Asking>
static ScratchNeed need(const Asking&, const Step&) {
  return {};
}

/** The most that any op asks for: they run one after the other. */
void Executor::reserve_scratch() {
  ScratchNeed most;
  for (const Op& op : ops_) {
    const ScratchNeed one = std::visit(
        [this](const auto& o) {
          if constexpr (std::is_same_v<std::decay_t<decltype(o)>, IndexerSelectOp>) return need(o, step_, cache_->pages);
          else return need(o, step_);
        },
        op);
    most.per_thread = std::max(most.per_thread, one.per_thread);
    most.floats = std::max(most.floats, one.floats);
    most.ints = std::max(most.ints, one.ints);
  }
  for (unsigned i = 0; i < pool_->threads(); ++i) thread_scratch_.emplace_back(most.per_thread);
  step_.scratch = {Buffer<float>(most.floats), Buffer<uint32_t>(most.ints)};
}

bool Executor::run() {
  Batch& batch = step_.batch;
  batch.rows = rows_.tokens.size();
  batch.tokens = rows_.tokens.data();
  batch.positions = rows_.positions.data();
  batch.sequences = rows_.sequences.data();
  batch.kinds = rows_.kinds.data();
  batch.logit_rows = rows_.logit_rows.data();
  batch.logit_count = rows_.logit_rows.size();
  batch.tables = rows_.tables.data();
  batch.table_starts = rows_.table_starts.data();
  const auto job = [](void* self, unsigned index, Team& team) { return static_cast<Executor*>(self)->work(index, team); };
  return pool_->run(job, this);
}

bool Executor::work(unsigned index, Team& team) {
  Worker worker{index, team, thread_scratch_[index].data()};
  for (const auto& table : rope_tables_) {
    if (worker.stopped) return false;
    kernels_.rope_angles(*table, step_, worker);
  }
  for (const Op& op : ops_) {
    if (worker.stopped) return false;
    execute(op, worker);
  }
  return !worker.stopped;
}

void Executor::execute(const Op& op, Worker& worker) {
  struct {
    const KernelTable& k;
    const Step& step;
    Worker& worker;
    void operator()(const EmbedOp& o) const { k.embed(o, step, worker); }
    void operator()(const RmsNormOp& o) const { k.rms_norm(o, step, worker); }
    void operator()(const LayerNormOp& o) const { k.layer_norm(o, step, worker); }
    void operator()(const LinearOp& o) const { k.linear(o, step, worker); }
    void operator()(const RopeOp& o) const { k.rope(o, step, worker); }
    void operator()(const SplitOp& o) const { k.split(o, step, worker); }
    void operator()(const ConcatOp& o) const { k.concat(o, step, worker); }
    void operator()(const AddOp& o) const { k.add(o, step, worker); }
    void operator()(const SwigluOp& o) const { k.swiglu(o, step, worker); }
    void operator()(const CacheWriteOp& o) const { k.cache_write(o, step, worker); }
    void operator()(const MlaAttentionOp& o) const { k.mla_attention(o, step, worker); }
    void operator()(const GqaAttentionOp& o) const { k.gqa_attention(o, step, worker); }
    void operator()(const IndexerSelectOp& o) const { k.indexer_select(o, step, worker); }
    void operator()(const RouteExpertsOp& o) const { k.route_experts(o, step, worker); }
    void operator()(const ExpertsFfnOp& o) const { k.experts_ffn(o, step, worker); }
    void operator()(const GatherRowsOp& o) const { k.gather_rows(o, step, worker); }
  } const kernels{kernels_, step_, worker};
  std::visit(kernels, op);
}

Executor::Slot Executor::value(size_t id) const {
  if (id >= values_.size()) fail("there is no value with this number");
  return {reinterpret_cast<uint8_t*>(values_[id].tensor.data), values_[id].elements};
}

void Executor::poison() {
  constexpr int32_t kPoison = -0x7fffffff;
  for (const ArenaValue& value : values_) {
    if (value.integers) std::fill_n(value.tensor.ints(), value.elements, kPoison);
    else std::fill_n(value.tensor.data, value.elements, std::numeric_limits<float>::quiet_NaN());
  }
}

size_t Executor::scratch_bytes() const {
  size_t bytes = arena_.bytes() + step_.scratch.floats.bytes() + step_.scratch.ints.bytes();
  for (const auto& scratch : thread_scratch_) bytes += scratch.bytes();
  for (const auto& table : rope_tables_) bytes += table->cosines.bytes() + table->sines.bytes();
  return bytes;
}

}  // namespace dts
