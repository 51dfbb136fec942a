"""The common part of generators of goldens against PyTorch: inputs by formula, errors, and the files.

Inputs and parameters are never stored: testkit's `named` makes the same values from the same names.
"""

import json
from pathlib import Path

import torch

MASK = 2**64 - 1


def named(name: str, *shape: int, scale: float = 1.0, offset: float = 0.0) -> torch.Tensor:
    """Multiples of `scale` / 2048 from `offset - scale` up to `offset + scale`: SplitMix64 seeded with the name's FNV-1a hash."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    values = []
    for _ in range(torch.Size(shape).numel()):
        state = state + 0x9E3779B97F4A7C15 & MASK
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        z ^= z >> 31
        values.append(((z >> 52) / 2048 - 1) * scale + offset)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def golden(compute, **facts) -> dict:
    """One case: the result of `compute(dtype)` in f64, and the distance of PyTorch's own f32 from it."""
    exact, rounded = compute(torch.float64), compute(torch.float32)
    everything = torch.cat([value.reshape(-1) for value in exact.values()]).norm()
    error = lambda name: (rounded[name] - exact[name]).norm() / scale(exact[name].norm(), everything)
    tensors = {name: [float(f"{x:.9g}") for x in value.reshape(-1).tolist()] for name, value in exact.items()}
    return {**facts, "f32_error": float(f"{max(map(error, exact)):.2g}"), "tensors": tensors}


def scale(norm: float, everything: float) -> float:
    """The scale of an error: the tensor's norm, or that of all tensors if the tensor is zero except for rounding."""
    return norm if norm > 1e-9 * everything else max(everything, 1e-300)


def gradients(outputs: list, upstream: list, leaves: dict) -> dict:
    """`{"d x": gradient}` of the leaves for the gradients `upstream` of the outputs."""
    grads = torch.autograd.grad(outputs, list(leaves.values()), upstream)
    return {f"d {name}": grad for name, grad in zip(leaves, grads)}


def leaf(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype).requires_grad_()


def write(path: Path, cases: list) -> None:
    """One case per line."""
    lines = (json.dumps(case, separators=(",", ":")) for case in cases)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
