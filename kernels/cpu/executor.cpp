#include "executor.h"

#include <algorithm>
#include <limits>

#include "plan_reader.h"

namespace dts {

Executor::Executor(const KernelTable& kernels, std::shared_ptr<Pool> pool, const uint32_t* plan, size_t words,
                   std::vector<std::shared_ptr<const Weight>> weights, std::shared_ptr<Cache> cache)
    : kernels_(kernels), pool_(std::move(pool)), weights_(std::move(weights)), cache_(std::move(cache)) {
  step_.products = kernels_.products;
  PlanReader(*this, plan, words).read();
  reserve_scratch();
  list_files();
}

void Executor::list_files() {
  for (const auto& weight : weights_) {
    const Mapping& mapping = weight->mapping;
    if (!mapping.data()) continue;
    const auto known = std::find_if(files_.begin(), files_.end(), [&](const Mapping* m) { return m->same_file(mapping); });
    if (known == files_.end()) files_.push_back(&mapping);
    else if ((*known)->end() < mapping.end()) *known = &mapping;
  }
}

/** The most that any stage asks for: they run one after the other. */
void Executor::reserve_scratch() {
  ScratchNeed most;
  const auto ask = [&most](const ScratchNeed& one) {
    most.per_thread = std::max(most.per_thread, one.per_thread);
    most.floats = std::max(most.floats, one.floats);
    most.ints = std::max(most.ints, one.ints);
  };
  for (const Stage& stage : stages_) {
    if (const auto* linears = std::get_if<LinearsStage>(&stage)) {
      for (const LinearOp& op : linears->ops) ask(need(op, step_));
    } else if (const auto* op = std::get_if<MlaAttentionOp>(&stage)) {
      ask(need(*op, step_));
    } else if (const auto* op = std::get_if<GqaAttentionOp>(&stage)) {
      ask(need(*op, step_));
    } else if (const auto* op = std::get_if<IndexerSelectOp>(&stage)) {
      ask(need(*op, step_, cache_->pages));
    } else if (const auto* op = std::get_if<ExpertsFfnOp>(&stage)) {
      ask(need(*op, step_));
      late_.reserve(op->experts);
    }
  }
  for (unsigned i = 0; i < pool_->threads(); ++i) thread_scratch_.emplace_back(most.per_thread);
  step_.scratch = {Buffer<float>(most.floats), Buffer<uint32_t>(most.ints)};
}

bool Executor::run() {
  for (const auto& weight : weights_) {
    if (weight->planned) fail("a weight that is only planned cannot be computed with");
  }
  for (const Mapping* file : files_) {
    if (!file->intact()) fail((file->path() + kCutShort).c_str());
  }
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
  packs_ = late_.needed(weights_);
  const bool finished = pool_->run(job, this);
  late_.check();
  return finished;
}

bool Executor::work(unsigned index, Team& team) {
  Worker worker{team, thread_scratch_[index].data()};
  for (const auto& table : rope_tables_) {
    if (worker.stopped) return false;
    kernels_.rope_angles(*table, step_, worker);
  }
  for (const Stage& stage : stages_) {
    if (worker.stopped) return false;
    execute(stage, worker);
  }
  return !worker.stopped;
}

void Executor::execute(const Stage& stage, Worker& worker) {
  struct {
    Executor& self;
    Worker& worker;
    void operator()(const RowsStage& s) const {
      const Batch& batch = self.step_.batch;
      worker.share(s.logit_rows ? batch.logit_count : batch.rows, [&](size_t row) {
        for (const RowOp& op : s.ops) self.execute(op, row);
      });
    }
    void operator()(const LinearsStage& s) const {
      size_t bands = 0;
      for (const LinearOp& op : s.ops) bands += bands_of(op);
      worker.share(bands, [&](size_t band) {
        const LinearOp* op = s.ops.data();
        for (; band >= bands_of(*op); ++op) band -= bands_of(*op);
        self.kernels_.linear_band(*op, self.step_, worker, band);
      });
    }
    void operator()(const MlaAttentionOp& o) const { self.kernels_.mla_attention(o, self.step_, worker); }
    void operator()(const GqaAttentionOp& o) const { self.kernels_.gqa_attention(o, self.step_, worker); }
    void operator()(const IndexerSelectOp& o) const { self.kernels_.indexer_select(o, self.step_, worker); }
    void operator()(const ExpertsFfnOp& o) const {
      if (self.packs_) self.late_.pack_chosen(o, self.step_, worker);
      self.kernels_.experts_ffn(o, self.step_, worker);
    }
  } const on_threads{*this, worker};
  std::visit(on_threads, stage);
}

void Executor::execute(const RowOp& op, size_t row) {
  struct {
    const KernelTable& k;
    const Step& step;
    size_t row;
    void operator()(const EmbedOp& o) const { k.embed(o, step, row); }
    void operator()(const RmsNormOp& o) const { k.rms_norm(o, step, row); }
    void operator()(const LayerNormOp& o) const { k.layer_norm(o, step, row); }
    void operator()(const RopeOp& o) const { k.rope(o, step, row); }
    void operator()(const SplitOp& o) const { k.split(o, step, row); }
    void operator()(const ConcatOp& o) const { k.concat(o, step, row); }
    void operator()(const AddOp& o) const { k.add(o, step, row); }
    void operator()(const SwigluOp& o) const { k.swiglu(o, step, row); }
    void operator()(const CacheWriteOp& o) const { k.cache_write(o, step, row); }
    void operator()(const RouteExpertsOp& o) const { k.route_experts(o, step, row); }
    void operator()(const GatherRowsOp& o) const { k.gather_rows(o, step, row); }
    void operator()(const QuantizeOp& o) const { k.quantize(o, step, row); }
  } const on_row{kernels_, step_, row};
  std::visit(on_row, op);
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
