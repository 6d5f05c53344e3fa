// Experts that are packed when a token first chooses them: a file of many starts to answer before all of them were touched,
// and those that nobody chooses stay where they are.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "step.h"
#include "weight.h"

namespace dts {

class LatePacking {
 public:
  /** Room for what a step may choose of an op with so many experts. */
  void reserve(size_t experts) { listed_.reserve(std::max(listed_.capacity(), kFactors * experts)); }

  /** Before a step: whether pack_chosen may have anything to do in it. The threads of a step must agree on that. */
  bool needed(const std::vector<std::shared_ptr<const Weight>>& weights) const;

  /** Packs those of the experts chosen by the step's rows that still wait. Every thread of the team calls it. */
  void pack_chosen(const ExpertsFfnOp& op, const Step& step, Worker& worker);

  /** After a step: fails where a file no longer had the rows; what was to be packed waits on. */
  void check();

 private:
  static constexpr size_t kFactors = 3;
  static std::array<const Weight*, kFactors> factors(const ExpertsFfnOp& op) { return {op.gate, op.up, op.down}; }

  void list(const ExpertsFfnOp& op, size_t count);
  void settle();

  struct Matrix {
    const Weight* weight;
    size_t group;
  };
  std::vector<Matrix> listed_;
  /** A file that has become too short. */
  std::atomic<const Mapping*> cut_{nullptr};
};

}  // namespace dts
