"""Writes the goldens of attentive-kernels: blocks of GGUF's formats, what they mean, and values rounded to them.

    pip install -r requirements.txt && python generate.py OUT_DIR

NAME.blocks holds blocks of random bytes with scales of every size, NAME.values what gguf reads in them, as f32.
NAME.rounded holds the blocks that gguf makes of the values of Q8_0, with a block of zeros and one of ties before them.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Kind
from gguf.quants import dequantize, quantize

BLOCKS = {Kind.Q4_0: 40, Kind.Q8_0: 40, Kind.Q4_K: 6, Kind.Q6_K: 6, Kind.Q4_1: 40, Kind.Q5_K: 6}
# Positions of the scales of 16 bits.
SCALES = {Kind.Q4_0: [0], Kind.Q8_0: [0], Kind.Q4_K: [0, 2], Kind.Q6_K: [208], Kind.Q4_1: [0, 2], Kind.Q5_K: [0, 2]}


def blocks(kind: Kind, rng: np.random.Generator) -> np.ndarray:
    """Random bytes; finite scales, some of them subnormal, zero or negative."""
    made = rng.integers(0, 256, (BLOCKS[kind], GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for at in SCALES[kind]:
        made[:, at + 1] &= 0xBB
        made[0, at : at + 2] = [1, 0]
        made[1, at : at + 2] = [0, 0x80]
    return made


if __name__ == "__main__":
    out = Path(sys.argv[1])
    rng = np.random.default_rng(4)
    for kind in BLOCKS:
        made = blocks(kind, rng)
        values = dequantize(made, kind)
        assert np.isfinite(values).all()
        (out / f"{kind.name}.blocks").write_bytes(made.tobytes())
        (out / f"{kind.name}.values").write_bytes(values.astype("<f4").tobytes())
        if kind == Kind.Q8_0:
            ties = np.concatenate([np.zeros(32), np.arange(-16, 16) * 0.5, [-127.0], np.arange(31) + 0.5])
            inputs = np.concatenate([ties.astype(np.float32), values.ravel()])
    for kind in [Kind.Q4_0, Kind.Q8_0]:
        (out / f"{kind.name}.rounded").write_bytes(quantize(inputs.reshape(-1, 32), kind).tobytes())
    (out / "inputs.values").write_bytes(inputs.astype("<f4").tobytes())
