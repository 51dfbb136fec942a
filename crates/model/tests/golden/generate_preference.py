"""Writes preference.json: losses of pairs of answers and their gradients, of fixed log-probabilities, by TRL's own code.

    pip install -r requirements-preference.txt && python generate_preference.py OUT_DIR

`DPOTrainer._compute_loss` is called with a model that hands out log-probabilities. Label smoothing of the sigmoid loss (cDPO),
which TRL no longer has, is written out.
"""

import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from trl import DPOTrainer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

PAIRS = 4
# Tokens of prompts and of answers, the chosen ones first.
PROMPT = 2
LENGTHS = [3, 1, 5, 2, 2, 4, 1, 3]
EQUAL = [3] * (2 * PAIRS)


def trl(policy: torch.Tensor, reference: torch.Tensor, lengths: list, beta: float, losses: list, weights: list) -> tuple:
    """TRL's loss, the mean over pairs, and what it logs; log-probabilities are of rows, `[2 · pairs]`."""
    n_cols = PROMPT + max(lengths)
    mask = torch.tensor([[0] * PROMPT + [1] * n + [0] * (n_cols - PROMPT - n) for n in lengths])
    # The same for each token of an answer.
    per_token = lambda log_probs: mask[:, 1:] * (log_probs / torch.tensor(lengths)).unsqueeze(1)
    zeros = torch.zeros(len(lengths), n_cols - 1)

    def model(**_) -> SimpleNamespace:
        return SimpleNamespace(log_probs=per_token(policy), entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())

    metrics = defaultdict(list)
    same = lambda x: x
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=SimpleNamespace(device="cpu", gather=same, gather_for_metrics=same),
        aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl", beta=beta,
        loss_types=losses, loss_weights=weights, label_smoothing=0.0, use_weighting=False, _metrics={"train": metrics},
        _total_train_tokens=0, _tp_size=1,
    )  # fmt: skip
    chosen, rejected = reference.chunk(2)
    inputs = dict(input_ids=mask, attention_mask=torch.ones_like(mask), completion_mask=mask, ref_chosen_logps=chosen, ref_rejected_logps=rejected)
    return DPOTrainer._compute_loss(trainer, model, inputs, False), metrics


def case(loss: str, beta: float, label_smoothing: float = 0.0, sft_weight: float = 0.0) -> dict:
    # TRL means the cross-entropy over the tokens of all chosen answers, which is the mean of answers' means if these are as long.
    lengths = EQUAL if sft_weight else LENGTHS

    def results(dtype: torch.dtype) -> dict:
        # A few nats for each token, and never positive.
        value = lambda name: named(name, 2 * PAIRS, scale=6.0, offset=-7.0)
        policy, reference = leaf(value("policy"), dtype), value("reference").to(dtype)
        losses, weights = ([loss, "sft"], [1.0, sft_weight]) if sft_weight else ([loss], [1.0])
        mean, metrics = trl(policy, reference, lengths, beta, losses, weights)
        if label_smoothing:
            chosen, rejected = (policy - reference).chunk(2)
            margin = beta * (chosen - rejected)
            mean = (-F.logsigmoid(margin) * (1 - label_smoothing) - F.logsigmoid(-margin) * label_smoothing).mean()
        total = PAIRS * mean
        names = {"rewards/chosen": "reward-chosen", "rewards/rejected": "reward-rejected", "rewards/margins": "margin", "rewards/accuracies": "accuracy"}
        told = {ours: torch.tensor([PAIRS * metrics[theirs][0]], dtype=dtype) for theirs, ours in names.items()}
        return {"loss": total.reshape(1)} | told | gradients([total], [torch.ones((), dtype=dtype)], {"policy": policy})

    return golden(results, loss=loss, beta=beta, label_smoothing=label_smoothing, sft_weight=sft_weight, lengths=lengths)


if __name__ == "__main__":
    cases = [case(loss, beta) for loss in ("sigmoid", "hinge", "ipo") for beta in (0.1, 0.5)]
    cases += [case("sigmoid", 0.1, label_smoothing=0.2), case("sigmoid", 0.3, sft_weight=0.7), case("hinge", 0.3, sft_weight=1.0)]
    write(Path(sys.argv[1]) / "preference.json", cases)
