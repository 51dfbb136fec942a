"""Writes the golden of attentive-optim: ten updates of PyTorch's Adam and AdamW with the Noam schedule.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, leaf, named, write

D_MODEL, WARMUP_STEPS = 8, 4


def noam(step: int) -> float:
    """Vaswani et al. 2017, equation 3."""
    return D_MODEL**-0.5 * min(step**-0.5, step * WARMUP_STEPS**-1.5)


def updates(weight_decay: float) -> dict:
    def compute(dtype):
        weight, bias = leaf(named("weight", 3, 2), dtype), leaf(named("bias", 2), dtype)
        # Decay is for matrices alone.
        groups = [{"params": [weight], "weight_decay": weight_decay}, {"params": [bias], "weight_decay": 0.0}]
        adam = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), eps=1e-9)
        schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda done: noam(done + 1))
        tensors = {}
        for step in range(1, 11):
            x = named(f"x {step}", 5, 3).to(dtype)
            loss = ((x @ weight + bias) ** 2).sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            tensors[f"weight {step}"] = weight.detach().clone()
            tensors[f"bias {step}"] = bias.detach().clone()
        return tensors

    return golden(compute, weight_decay=weight_decay)


if __name__ == "__main__":
    write(Path(sys.argv[1]) / "adam.json", [updates(0.0), updates(0.1)])
