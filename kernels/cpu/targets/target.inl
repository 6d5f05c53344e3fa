// What a target compiles, between the start and the end of its region; its simd_<target>.h comes first.
#include "../ops/vector_math.inl"
#include "../decode/blocks.inl"
#include "../ops/products.inl"
#include "../ops/cache_rows.inl"
#include "../ops/rows.inl"
#include "../ops/linear.inl"
#include "../ops/attention.inl"
#include "../ops/tiles.inl"
#include "../ops/flash.inl"
#include "../ops/latent_codes.inl"
#include "../ops/attention_fast.inl"
#include "../ops/experts.inl"
#include "../ops/peaks.inl"

namespace dts::DTS_TARGET {

constexpr KernelTable make_table(const char* name, uint32_t needs, const qgemm::Table& products) {
  return {name,   needs,         &products,   rope_angles, embed,       rms_norm,      layer_norm,    rope,           split,      concat, add,
          swiglu, cache_write,   route_experts, gather_rows, quantize,  linear_band,   mla_attention, gqa_attention, indexer_select, experts_ffn,
          multiply_adds, read_floats};
}

}  // namespace dts::DTS_TARGET
