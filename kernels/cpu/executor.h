// A compiled plan with all the memory its steps need. Plain C++: no host API in here.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "dispatch.h"
#include "late_packing.h"
#include "pool.h"
#include "scratch.h"
#include "step.h"

namespace dts {

/** Ops that look at one row at a time: a thread that takes a row carries out all of them on it. */
using RowOp = std::variant<EmbedOp, RmsNormOp, LayerNormOp, RopeOp, SplitOp, ConcatOp, AddOp, SwigluOp, CacheWriteOp, RouteExpertsOp,
                           GatherRowsOp, QuantizeOp>;
struct RowsStage { bool logit_rows; std::vector<RowOp> ops; };
/** Linear layers that do not read one another. */
struct LinearsStage { std::vector<LinearOp> ops; };
/** What the threads carry out together before they wait for one another: see src/tensor/stages.ts. */
using Stage = std::variant<RowsStage, LinearsStage, MlaAttentionOp, GqaAttentionOp, IndexerSelectOp, ExpertsFfnOp>;

class Executor {
 public:
  /**
   * @param plan as src/tensor/native-plan.ts writes it
   * @param weights by the plan's numbers
   * Fails for a plan that contradicts itself, a bug of the caller, and where there is no memory for it.
   */
  Executor(const KernelTable& kernels, std::shared_ptr<Pool> pool, const uint32_t* plan, size_t words,
           std::vector<std::shared_ptr<const Weight>> weights, std::shared_ptr<Cache> cache);

  /** The rows of the next step are copied to here; each has room for the plan's limits, and for all pages in each table. */
  struct Rows {
    std::vector<int32_t> tokens, positions, sequences, logit_rows, table_starts, tables;
    std::vector<uint8_t> kinds;
  };
  Rows& rows() { return rows_; }

  /** Runs one step over rows(). Fails with a weight that is only planned, or whose file has become shorter. @returns false when the pool was told to abort */
  bool run();

  /** A value in the arena, with the elements it has at the plan's limits. */
  struct Slot {
    uint8_t* data;
    size_t elements;
  };
  Slot value(size_t id) const;
  /** Fills every value with NaN, integers with a huge negative number. */
  void poison();

  size_t scratch_bytes() const;

 private:
  bool work(unsigned index, Team& team);
  void execute(const Stage& stage, Worker& worker);
  void execute(const RowOp& op, size_t row);
  void reserve_scratch();
  void list_files();

  struct ArenaValue {
    Tensor tensor;
    bool integers;
    size_t elements;
  };

  const KernelTable& kernels_;
  std::shared_ptr<Pool> pool_;
  std::vector<std::shared_ptr<const Weight>> weights_;
  /** Of each file that weights are mapped from, the mapping that reaches farthest. */
  std::vector<const Mapping*> files_;
  std::shared_ptr<Cache> cache_;
  Buffer<uint8_t> arena_;
  std::vector<ArenaValue> values_;
  std::vector<std::unique_ptr<RopeTable>> rope_tables_;
  std::vector<Stage> stages_;
  Rows rows_;
  Step step_;
  LatePacking late_;
  bool packs_ = false;
  std::vector<Buffer<float>> thread_scratch_;

  friend class PlanReader;
};

}  // namespace dts
