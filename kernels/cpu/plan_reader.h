// Reads the plan that src/tensor/native-plan.ts writes.
#pragma once
#include "executor.h"

namespace dts {

/** Numbers of the ops: the order of OP_KINDS in src/tensor/program.ts, then those of src/tensor/stages.ts. */
enum class OpKind : uint32_t {
  embed, rmsNorm, layerNorm, linear, rope, split, concat, add, swiglu, cacheWrite,
  mlaAttention, gqaAttention, indexerSelect, routeExperts, expertsFfn, gatherRows,
  quantize,
};

/** Numbers of the stages: the order of STAGE_KINDS in src/tensor/stages.ts. */
enum class StageKind : uint32_t { rows, logitRows, linears, team };

class PlanReader {
 public:
  PlanReader(Executor& target, const uint32_t* words, size_t count) : target_(target), next_(words), end_(words + count) {}

  /** Fills the executor's values, ops and limits. Fails for a plan that contradicts itself. */
  void read();

 private:
  uint32_t word();
  double number();
  /** A count of things that follow, each of at least a word. */
  size_t count();
  Tensor value();
  const Weight* weight();
  const Weight* optional_weight();
  const CacheField* field();
  RopeTable* rope_table();
  /** The rounded form of a value of `cols` columns, where an op has one. */
  const qgemm::QBlock* quantized(size_t cols);
  /** For the products of this step. */
  bool is_packed(const Weight& weight) const;
  const Weight* factor(bool rounded);
  const Weight* expert_factor(bool rounded);
  Stage stage();
  LinearOp linear();
  RowOp row_op(OpKind kind);
  Stage team_op(OpKind kind);

  Executor& target_;
  const uint32_t* next_;
  const uint32_t* end_;
};

}  // namespace dts
