// Softmax attention of several queries to a list of positions, taken in chunks of at most kChunk (arXiv:2205.14135). The
// queries lie in the lanes: those of all heads of a row (latent attention, absorbed), or of many rows (a prompt).
namespace dts::DTS_TARGET {

/** A query of `n` floats, to a lane. */
inline void scatter(const float* from, size_t n, float* to, size_t stride) {
  for (size_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

/** Keys and values of a chunk: rows of `stride` floats, n <= kChunk of them. */
struct Chunk {
  const float* keys;
  const float* values;
  size_t stride;
  size_t n;
};

/** Queries, and the softmax over the chunks so far. Counts of queries and widths of values are multiples of kPad. */
struct Flash {
  size_t queries;
  /** [depth, queries] */
  const float* q;
  size_t depth;
  float scale;
  /** [queries] each: the highest score, and the sum of the weights relative to it */
  float* peak;
  float* mass;
  /** [queries, values]: the weighted sum of the values */
  float* mean;
  size_t values;
  /** [queries]: entries that each query sees, counted as the caller counts `first`; null for all */
  const float* limits;
  /** Whether there were chunks before; without, peak, mass and mean are only written. */
  bool onto;
};

/**
 * Turns the scores [n, queries] into weights relative to the new peaks.
 * @param factors [queries]: what the sums so far have to be multiplied by
 * @returns whether there are any, and a factor is not 1
 */
inline bool weigh(const Flash& f, size_t n, float first, float* scores, float* factors) {
  const F32 lowest = F32::splat(-std::numeric_limits<float>::infinity()), scale = F32::splat(f.scale);
  bool changed = false;
  for (size_t h = 0; h < f.queries; h += F32::lanes) {
    const F32 old = f.onto ? F32::load(f.peak + h) : lowest;
    F32 peak = old;
    for (size_t s = 0; s < n; ++s) {
      float* at = scores + s * f.queries + h;
      F32 score = mul(F32::load(at), scale);
      if (f.limits) score = where_less(F32::splat(first + static_cast<float>(s)), F32::load(f.limits + h), score, lowest);
      score.store(at);
      peak = max(score, peak);
    }
    const F32 factor = exp(sub(old, peak));
    F32 mass = f.onto ? mul(F32::load(f.mass + h), factor) : F32::zero();
    for (size_t s = 0; s < n; ++s) {
      float* at = scores + s * f.queries + h;
      const F32 weight = exp(sub(F32::load(at), peak));
      weight.store(at);
      mass = add(mass, weight);
    }
    peak.store(f.peak + h);
    mass.store(f.mass + h);
    factor.store(factors + h);
    for (size_t i = 0; i < F32::lanes; ++i) changed |= factors[h + i] != 1.0f;
  }
  return changed && f.onto;
}

/** The same, with the sums of values so far made relative to the new peaks. */
inline void renew(const Flash& f, size_t n, size_t first, float* scores, float* factors) {
  if (!weigh(f, n, static_cast<float>(first), scores, factors)) return;
  for (size_t h = 0; h < f.queries; ++h) {
    const F32 factor = F32::splat(factors[h]);
    float* mean = f.mean + h * f.values;
    for (size_t i = 0; i < f.values; i += F32::lanes) mul(F32::load(mean + i), factor).store(mean + i);
  }
}

/**
 * Attends to one more chunk, whose first entry has the number `first`; every query has seen an entry then.
 * @param scratch (kChunk + 1) * queries floats
 */
inline void attend(const Flash& f, const Chunk& chunk, size_t first, float* scratch) {
  float* factors = scratch;
  float* scores = factors + f.queries;
  multiply(chunk.n, f.queries, {chunk.keys, chunk.stride, 1}, f.q, f.queries, f.depth, false, scores, f.queries);
  renew(f, chunk.n, first, scores, factors);
  multiply(f.queries, f.values, {scores, 1, f.queries}, chunk.values, chunk.stride, chunk.n, f.onto, f.mean, f.values);
}

}  // namespace dts::DTS_TARGET
