#include "plan_reader.h"

#include <cstring>

namespace dts {

constexpr uint32_t kVersion = 2;
constexpr uint32_t kNone = 0xffffffff;
constexpr size_t kOffsetUnit = 64;

static void require(bool holds, const char* what) {
  if (!holds) fail(what);
}

void PlanReader::read() {
  require(word() == kVersion, "the plan is wrong: version");
  Step& step = target_.step_;
  step.fast = word() != 0;
  step.max_rows = word();
  const size_t max_sequences = word();
  const size_t max_logit_rows = word();
  step.page_size = target_.cache_->page_size;
  target_.arena_ = Buffer<uint8_t>(word() * kOffsetUnit);
  const size_t values = count();
  for (size_t i = 0; i < values; ++i) {
    const size_t offset = word() * kOffsetUnit;
    Tensor tensor;
    tensor.width = word();
    tensor.last = word();
    const uint32_t flags = word();
    tensor.logit_rows = flags & 1;
    const size_t elements = (tensor.logit_rows ? max_logit_rows : step.max_rows) * tensor.width;
    require(offset + elements * sizeof(float) <= target_.arena_.size(), "the plan is wrong: a value outside the arena");
    require(tensor.last > 0 && tensor.width % tensor.last == 0, "the plan is wrong: a value's width");
    tensor.data = reinterpret_cast<float*>(target_.arena_.data() + offset);
    target_.values_.push_back({tensor, (flags & 2) != 0, elements});
  }
  const size_t stages = count();
  for (size_t i = 0; i < stages; ++i) target_.stages_.push_back(stage());
  require(next_ == end_, "the plan is wrong: words after its end");

  Executor::Rows& rows = target_.rows_;
  for (auto* list : {&rows.tokens, &rows.positions, &rows.sequences}) list->reserve(step.max_rows);
  rows.kinds.reserve(step.max_rows);
  rows.logit_rows.reserve(max_logit_rows);
  rows.table_starts.reserve(max_sequences + 1);
  rows.tables.reserve(max_sequences * target_.cache_->pages);
}

uint32_t PlanReader::word() {
  require(next_ < end_, "the plan is wrong: it ends too early");
  return *next_++;
}

double PlanReader::number() {
  const uint64_t bits = word() | (static_cast<uint64_t>(word()) << 32);
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

size_t PlanReader::count() {
  const size_t n = word();
  require(n <= static_cast<size_t>(end_ - next_), "the plan is wrong: a count");
  return n;
}

Tensor PlanReader::value() {
  const size_t id = word();
  require(id < target_.values_.size(), "the plan is wrong: a value's number");
  return target_.values_[id].tensor;
}

const Weight* PlanReader::weight() {
  const size_t index = word();
  require(index < target_.weights_.size(), "the plan is wrong: a weight's number");
  return target_.weights_[index].get();
}

const Weight* PlanReader::optional_weight() {
  require(next_ < end_, "the plan is wrong: it ends too early");
  if (*next_ != kNone) return weight();
  ++next_;
  return nullptr;
}

const CacheField* PlanReader::field() {
  const size_t index = word();
  require(index < target_.cache_->fields.size(), "the plan is wrong: a cache field's number");
  return &target_.cache_->fields[index];
}

/** Layers rotate by the same angles: one table serves all ropes with the same frequencies. */
RopeTable* PlanReader::rope_table() {
  auto table = std::make_unique<RopeTable>();
  table->magnitude = number();
  const size_t pairs = count();
  for (size_t j = 0; j < pairs; ++j) table->frequencies.push_back(number());
  for (const auto& known : target_.rope_tables_) {
    if (known->magnitude == table->magnitude && known->frequencies == table->frequencies) return known.get();
  }
  table->cosines = Buffer<float>(target_.step_.max_rows * pairs);
  table->sines = Buffer<float>(target_.step_.max_rows * pairs);
  target_.rope_tables_.push_back(std::move(table));
  return target_.rope_tables_.back().get();
}

const qgemm::QBlock* PlanReader::quantized(size_t cols) {
  require(next_ < end_, "the plan is wrong: it ends too early");
  if (*next_ == kNone) {
    ++next_;
    return nullptr;
  }
  const Tensor tensor = value();
  require(tensor.width * sizeof(float) == qgemm::quantized_row_bytes(cols), "the plan is wrong: the width of a rounded value");
  return reinterpret_cast<const qgemm::QBlock*>(tensor.data);
}

constexpr char kWrongForm[] = "the plan is wrong: a weight is not held in the form of its product";

bool PlanReader::is_packed(const Weight& weight) const { return weight.packed.table == target_.step_.products; }

/** The weight of a product: whole rows, or packed where the other operand is rounded. */
const Weight* PlanReader::factor(bool rounded) {
  const Weight* found = weight();
  require(rounded ? is_packed(*found) : !found->runs.empty(), kWrongForm);
  return found;
}

/** The weight of a product of experts: packed or not where the other operand may be rounded. */
const Weight* PlanReader::expert_factor(bool rounded) {
  const Weight* found = weight();
  require(!found->runs.empty() || (rounded && is_packed(*found)), kWrongForm);
  return found;
}

Stage PlanReader::stage() {
  const auto kind = static_cast<StageKind>(word());
  const size_t ops = count();
  switch (kind) {
    case StageKind::rows:
    case StageKind::logitRows: {
      RowsStage stage{kind == StageKind::logitRows, {}};
      for (size_t i = 0; i < ops; ++i) stage.ops.push_back(row_op(static_cast<OpKind>(word())));
      return stage;
    }
    case StageKind::linears: {
      LinearsStage stage;
      for (size_t i = 0; i < ops; ++i) stage.ops.push_back(linear());
      return stage;
    }
    case StageKind::team: {
      require(ops == 1, "the plan is wrong: a stage of several ops that need all threads");
      return team_op(static_cast<OpKind>(word()));
    }
  }
  fail("the plan is wrong: a stage's number");
}

LinearOp PlanReader::linear() {
  require(static_cast<OpKind>(word()) == OpKind::linear, "the plan is wrong: an op among linear layers");
  LinearOp op{};
  op.x = value();
  op.quantized = quantized(op.x.width);
  op.weight = factor(op.quantized != nullptr);
  op.bias = optional_weight();
  op.out = value();
  require(op.x.width == op.weight->cols && op.out.width == op.weight->rows, "the plan is wrong: the shape of a linear layer");
  require(!op.quantized || op.weight->packed.groups == 1, "the plan is wrong: a linear layer of several matrices");
  return op;
}

RowOp PlanReader::row_op(OpKind kind) {
  // Initialiser lists are evaluated in order, so the fields of an op are read in the order of its struct.
  switch (kind) {
    case OpKind::embed: return EmbedOp{weight(), value()};
    case OpKind::rmsNorm: return RmsNormOp{value(), weight(), number(), value()};
    case OpKind::layerNorm: return LayerNormOp{value(), weight(), weight(), number(), value()};
    case OpKind::rope: {
      const RopeOp op{value(), rope_table(), word() != 0, value()};
      require(op.x.last == 2 * op.table->frequencies.size(), "the plan is wrong: the frequencies of a rope");
      return op;
    }
    case OpKind::split: {
      SplitOp op{value(), {}};
      op.outs.resize(count());
      for (Tensor& out : op.outs) out = value();
      return op;
    }
    case OpKind::concat: {
      ConcatOp op;
      op.xs.resize(count());
      for (Tensor& x : op.xs) x = value();
      op.out = value();
      return op;
    }
    case OpKind::add: return AddOp{value(), value(), value()};
    case OpKind::swiglu: return SwigluOp{value(), value(), value()};
    case OpKind::cacheWrite: {
      const CacheWriteOp op{value(), field()};
      require(op.x.width == op.field->width, "the plan is wrong: the width of a cache field");
      return op;
    }
    case OpKind::routeExperts: {
      const RouteExpertsOp op{value(), optional_weight(), word() != 0, word(),  word(),  word(), word() != 0,
                              word() != 0, number(),        value(),     value(), value()};
      require(op.logits.width <= kMaxExperts, "the plan is wrong: more experts than the router has room for");
      require(op.top_k <= op.logits.width && op.ids.width == op.top_k, "the plan is wrong: the number of chosen experts");
      return op;
    }
    case OpKind::gatherRows: return GatherRowsOp{value(), value()};
    case OpKind::quantize: {
      const Tensor x = value(), out = value();
      require(out.width * sizeof(float) == qgemm::quantized_row_bytes(x.width), "the plan is wrong: the width of a rounded value");
      return QuantizeOp{x, reinterpret_cast<qgemm::QBlock*>(out.data)};
    }
    default: break;
  }
  fail("the plan is wrong: an op's number");
}

Stage PlanReader::team_op(OpKind kind) {
  const auto f32 = [this] { return static_cast<float>(number()); };
  switch (kind) {
    case OpKind::mlaAttention: {
      MlaAttentionOp op{value(), value(), field(), field(), weight(), weight(), word() != 0, f32(), word() != 0, {}, {}};
      if (op.selected) op.selection = value();
      op.out = value();
      const size_t heads = op.q_nope.width / op.q_nope.last;
      require(heads <= kMaxHeads, "the plan is wrong: more heads than attention has room for");
      const Weight& key = *op.key;
      const size_t nope = op.q_nope.last, latent = op.latent->width;
      require(key.cols == (op.latent_major ? nope : latent) && key.rows == heads * (op.latent_major ? latent : nope),
              "the plan is wrong: the shape of the key half of kv_b");
      require(op.q_rope.last == op.k_rope->width && op.value->cols == op.latent->width && op.out.width == op.value->rows,
              "the plan is wrong: the shape of latent attention");
      return op;
    }
    case OpKind::gqaAttention: {
      const GqaAttentionOp op{value(), field(), field(), word(), f32(), value()};
      require(op.q.width / op.q.last <= kMaxHeads, "the plan is wrong: more heads than attention has room for");
      require(op.key->width == op.kv_heads * op.q.last && op.value->width == op.key->width, "the plan is wrong: the shape of attention");
      return op;
    }
    case OpKind::indexerSelect: {
      const IndexerSelectOp op{value(), value(), field(), word(), value()};
      require(op.q.width / op.q.last <= kMaxHeads, "the plan is wrong: more heads than the indexer has room for");
      return op;
    }
    case OpKind::expertsFfn: {
      ExpertsFfnOp op{};
      op.x = value();
      op.quantized = quantized(op.x.width);
      op.ids = value();
      op.weights = value();
      op.gate = expert_factor(op.quantized != nullptr);
      op.up = expert_factor(op.quantized != nullptr);
      op.down = expert_factor(target_.step_.fast);
      op.experts = word();
      op.out = value();
      const bool fits = op.gate->rows == op.experts * op.down->cols && op.up->rows == op.gate->rows &&
                        op.down->rows == op.experts * op.gate->cols && op.x.width == op.gate->cols;
      require(fits, "the plan is wrong: the shape of the experts");
      return op;
    }
    default: break;
  }
  fail("the plan is wrong: an op's number");
}

}  // namespace dts
