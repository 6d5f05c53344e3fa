// The target's table, the one symbol of its translation unit.
namespace dts::qgemm {
const Table DTS_TABLE = {
    DTS_NAME,         DTS_TARGET::kLanes, DTS_TARGET::packed_bytes, DTS_TARGET::pack, DTS_TARGET::quantize_rows,
    DTS_TARGET::gemm, DTS_TARGET::gate_up_silu, DTS_TARGET::read_q8_0, DTS_TARGET::stored_gemm, DTS_TARGET::mix,
#ifdef DTS_WIDE
    DTS_TARGET::pack_wide, DTS_TARGET::read_f16, DTS_TARGET::wide_gemm, DTS_TARGET::wide_mix,
#else
    nullptr, nullptr, nullptr, nullptr,
#endif
};
}
