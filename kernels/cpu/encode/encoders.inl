// What a target compiles; its simd_<target>.h comes first.
#include "../decode/blocks.inl"
#include "floats.inl"
#include "fit.inl"
#include "blocks32.inl"
#include "super_blocks.inl"
#include "k_quants.inl"
#include "table.inl"
