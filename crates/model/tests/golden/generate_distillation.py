"""Writes distillation.json: the loss of a student and its gradient, of fixed scores of it and of its teacher, by PyTorch.

    pip install -r requirements.txt && python generate_distillation.py OUT_DIR
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

TARGETS, VOCAB = 5, 11
WORDS = torch.tensor([3, 0, 10, 3, 7])


def case(weight: float, temperature: float, top_k: int | None, label_smoothing: float) -> dict:
    def results(dtype: torch.dtype) -> dict:
        student = leaf(named("student", TARGETS, VOCAB, scale=4.0), dtype)
        teacher = named("teacher", TARGETS, VOCAB, scale=4.0).to(dtype)
        if top_k:
            least = teacher.topk(top_k).values[:, -1:]
            teacher = teacher.masked_fill(teacher < least, float("-inf"))
        log_q = F.log_softmax(student / temperature, dim=-1)
        divergence = F.kl_div(log_q, F.softmax(teacher / temperature, dim=-1), reduction="sum") * temperature**2
        # Ours is the divergence from the smoothed target: less by its entropy, which no gradient depends on.
        smooth = torch.full((VOCAB,), label_smoothing / VOCAB, dtype=dtype)
        smooth[0] += 1 - label_smoothing
        entropy = -torch.xlogy(smooth, smooth).sum()
        own = F.cross_entropy(student, WORDS, reduction="sum", label_smoothing=label_smoothing) - TARGETS * entropy
        loss = (1 - weight) * own + weight * divergence
        found = {"loss": loss.reshape(1), "divergence": divergence.detach().reshape(1), "nll": F.cross_entropy(student, WORDS, reduction="sum").detach().reshape(1)}
        return found | gradients([loss], [torch.ones((), dtype=dtype)], {"student": student})

    return golden(results, weight=weight, temperature=temperature, top_k=top_k, label_smoothing=label_smoothing)


if __name__ == "__main__":
    settings = [(0.5, 1.0, None, 0.0), (1.0, 2.0, None, 0.0), (0.3, 4.0, None, 0.1), (0.5, 1.0, 3, 0.0), (0.9, 2.0, 1, 0.1), (0.5, 1.0, 50, 0.0)]
    write(Path(sys.argv[1]) / "distillation.json", [case(w, t, k and min(k, VOCAB), s) for w, t, k, s in settings])
