#include "late_packing.h"

namespace dts {

using State = PackedWeight::State;

bool LatePacking::needed(const std::vector<std::shared_ptr<const Weight>>& weights) const {
  return std::any_of(weights.begin(), weights.end(), [](const auto& weight) { return weight->packed.waiting > 0; });
}

void LatePacking::list(const ExpertsFfnOp& op, size_t count) {
  listed_.clear();
  for (const Weight* weight : factors(op)) {
    if (weight->packed.waiting == 0) continue;
    for (size_t i = 0; i < count; ++i) {
      const size_t expert = op.ids.ints()[i];
      State& state = weight->packed.states[expert];
      if (state != State::waits) continue;
      state = State::listed;
      listed_.push_back({weight, expert});
    }
  }
}

/** What is listed is packed now, or waits on where the file was too short. */
void LatePacking::settle() {
  for (const auto& [weight, group] : listed_) {
    weight->packed.states[group] = cut_ ? State::waits : State::ready;
    if (!cut_) --weight->packed.waiting;
  }
  for (size_t i = 0; i < listed_.size(); ++i) {
    if (i == 0 || listed_[i].weight != listed_[i - 1].weight) listed_[i].weight->mapping.drop();
  }
}

void LatePacking::pack_chosen(const ExpertsFfnOp& op, const Step& step, Worker& worker) {
  const size_t count = op.x.rows(step.batch) * op.ids.width;
  size_t pieces = 0;
  for (const Weight* weight : factors(op)) {
    if (weight->packed.table) pieces = std::max(pieces, pack_pieces(*weight, weight->packed));
  }
  worker.share(1, [&](size_t) { list(op, count); });
  // As much as can be listed: a thread may come here before it can know how much was.
  worker.share(kFactors * std::min<size_t>(op.experts, count) * pieces, [&](size_t item) {
    if (item / pieces >= listed_.size()) return;
    const auto& [weight, group] = listed_[item / pieces];
    const size_t piece = item % pieces;
    if (piece >= pack_pieces(*weight, weight->packed)) return;
    if (!pack_piece(*weight, weight->packed, group, piece)) cut_ = &weight->mapping;
  });
  worker.share(1, [&](size_t) { settle(); });
}

void LatePacking::check() {
  const Mapping* file = cut_.exchange(nullptr);
  if (file) fail((file->path() + kCutShort).c_str());
}

}  // namespace dts
