"""Writes rope.json: frequencies of rotary embeddings, in double precision, from the papers' formulas.

    python generate.py > rope.json          (needs numpy)

Written apart from the engine: vectorised, by the steps of the papers, without reading its code.
"""
import json
import math

import numpy as np


def plain(theta, dim):
    """RoFormer (arXiv:2104.09864) 3.2.2: theta_i = theta^(-2(i-1)/d)."""
    return 1.0 / theta ** (np.arange(0, dim, 2, dtype=np.float64) / dim)


def yarn(theta, dim, factor, original, beta_fast, beta_slow):
    """YaRN (arXiv:2309.00071) 3.2, "NTK-by-parts", with the bounds of DeepSeek's reference code (floor, ceil, clamp)."""
    extrapolated = plain(theta, dim)
    interpolated = extrapolated / factor

    def dimension(rotations):  # the dimension whose wavelength makes this many rotations over the original context
        return dim * np.log(original / (rotations * 2 * np.pi)) / (2 * np.log(theta))

    low = max(math.floor(dimension(beta_fast)), 0)
    high = min(math.ceil(dimension(beta_slow)), dim - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(dim // 2, dtype=np.float64) - low) / (high - low), 0, 1)
    keep = 1 - ramp
    return interpolated * (1 - keep) + extrapolated * keep


def llama3(theta, dim, factor, low_factor, high_factor, original):
    """Llama 3.1's use_scaled_rope: by wavelength, a smooth blend between the two bounds."""
    freqs = plain(theta, dim)
    wavelength = 2 * np.pi / freqs
    smooth = (original / wavelength - low_factor) / (high_factor - low_factor)
    blended = (1 - smooth) * freqs / factor + smooth * freqs
    out = np.where(wavelength > original / low_factor, freqs / factor, blended)
    return np.where(wavelength < original / high_factor, freqs, out)


def case(name, theta, dim, scaling, frequencies):
    return {"name": name, "theta": theta, "dim": dim, "scaling": scaling, "frequencies": [float(f) for f in frequencies]}


def yarn_case(name, theta, dim, factor, original, fast, slow):
    scaling = {"type": "yarn", "factor": factor, "originalMaxPositionEmbeddings": original, "betaFast": fast, "betaSlow": slow}
    return case(name, theta, dim, scaling, yarn(theta, dim, factor, original, fast, slow))


factors = [1.0, 1.5, 8.0, 32.0]
cases = [
    case("plain", 10000.0, 8, None, plain(10000.0, 8)),
    case("linear, factor 4", 500000.0, 8, {"type": "linear", "factor": 4.0}, plain(500000.0, 8) / 4.0),
    case("factors", 500000.0, 8, {"type": "factors", "factors": factors}, plain(500000.0, 8) / np.array(factors)),
    yarn_case("DeepSeek-V3", 10000.0, 64, 40.0, 4096, 32.0, 1.0),
    yarn_case("Kimi-K2, both betas 1", 50000.0, 64, 32.0, 4096, 1.0, 1.0),
    yarn_case("short context, clamped at 0", 10000.0, 16, 40.0, 64, 32.0, 1.0),
    yarn_case("bounds that meet at 0", 10000.0, 16, 8.0, 2, 1.0, 1.0),
    yarn_case("beyond the last dimension, clamped", 10.0, 8, 4.0, 100000, 2.0, 1.0),
    case(
        "Llama-3.1",
        500000.0,
        128,
        {"type": "llama3", "factor": 8.0, "lowFreqFactor": 1.0, "highFreqFactor": 4.0, "originalMaxPositionEmbeddings": 8192},
        llama3(500000.0, 128, 8.0, 1.0, 4.0, 8192),
    ),
]
print(json.dumps(cases, indent=1))
