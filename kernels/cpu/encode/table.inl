// The encoders of one target, and how rows go through them.
namespace dts::DTS_TARGET {

/** `n` values, whole blocks, each with its weight, to blocks. */
using EncodeFn = void (*)(const float* x, const float* w, size_t n, uint8_t* out);

inline EncodeFn encoder_of(DType to) {
  switch (to) {
    case DType::F32: return encode_f32;
    case DType::F16: return encode_f16;
    case DType::BF16: return encode_bf16;
    case DType::Q4_0: return encode_q4_0;
    case DType::Q4_1: return encode_q4_1;
    case DType::Q5_0: return encode_q5_0;
    case DType::Q5_1: return encode_q5_1;
    case DType::Q8_0: return encode_q8_0;
    case DType::Q2_K: return encode_q2_k;
    case DType::Q3_K: return encode_q3_k;
    case DType::Q4_K: return encode_q4_k;
    case DType::Q5_K: return encode_q5_k;
    case DType::Q6_K: return encode_q6_k;
    case DType::IQ4_NL: return encode_iq4_nl;
    case DType::IQ4_XS: return encode_iq4_xs;
    case DType::IQ1_S: return encode_iq1_s;
    case DType::IQ1_M: return encode_iq1_m;
    case DType::IQ2_XXS: return encode_iq2_xxs;
    case DType::IQ2_XS: return encode_iq2_xs;
    case DType::IQ2_S: return encode_iq2_s;
    case DType::IQ3_XXS: return encode_iq3_xxs;
    case DType::IQ3_S: return encode_iq3_s;
    case DType::TQ1_0: return encode_tq1_0;
    case DType::TQ2_0: return encode_tq2_0;
    case DType::MXFP4: return encode_mxfp4;
    case DType::NVFP4: return encode_nvfp4;
    case DType::Q1_0: return encode_q1_0;
    case DType::Q2_0: return encode_q2_0;
    default: return nullptr;
  }
}

/** The largest magnitude that is stored: scales and minima are f16, but for the FP4 types. */
inline float limit_of(DType to) {
  switch (to) {
    case DType::F32: case DType::BF16: return 3.3895e38f;
    case DType::MXFP4: return 1e38f;
    case DType::NVFP4: return 448.0f * 6.0f;
    case DType::Q8_0: return 127.0f * 65504.0f;
    default: return 65504.0f;
  }
}

/** The importance of a row's columns; blocks in which all are zero count alike. */
inline void weigh(const EncodeJob& job, size_t row, size_t block, float* w) {
  if (!job.importance) {
    std::fill(w, w + job.cols, 1.0f);
    return;
  }
  const float* given = job.importance + row / job.rows_per_importance * job.cols;
  for (size_t from = 0; from < job.cols; from += block) {
    const bool none = std::all_of(given + from, given + from + block, [](float v) { return v == 0; });
    for (size_t i = from; i < from + block; ++i) w[i] = none ? 1.0f : given[i];
  }
}

inline size_t encode_range(const EncodeJob& job, size_t first, size_t count, float* scratch) {
  const EncodeFn encode = encoder_of(job.to);
  const size_t in_bytes = bytes_of(job.from, job.cols), out_bytes = bytes_of(job.to, job.cols);
  const float limit = limit_of(job.to);
  float* w = scratch + job.cols;
  for (size_t row = first; row < first + count; ++row) {
    kDecoders[static_cast<size_t>(job.from)](job.in + row * in_bytes, job.cols, scratch);
    bool fits = true;
    for (size_t i = 0; i < job.cols; ++i) fits &= std::fabs(scratch[i]) <= limit;
    if (!fits) return row;
    weigh(job, row, info(job.to).block_elements, w);
    encode(scratch, w, job.cols, job.out + row * out_bytes);
  }
  return job.rows;
}

}  // namespace dts::DTS_TARGET
