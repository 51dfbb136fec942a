"""Writes filters.json: which tokens transformers' filters of sampling leave, and their probabilities.

    pip install torch transformers && python generate_filters.py
"""

import json
from pathlib import Path

import torch
from transformers.generation.logits_process import (
    EpsilonLogitsWarper, EtaLogitsWarper, MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
    TypicalLogitsWarper,
)  # fmt: skip

CASES = [
    {"typical_p": 0.2}, {"typical_p": 0.6}, {"typical_p": 0.95}, {"epsilon_cutoff": 0.05}, {"epsilon_cutoff": 0.9},
    {"eta_cutoff": 0.3}, {"eta_cutoff": 0.02}, {"min_p": 0.2}, {"top_p": 0.8},
    {"temperature": 0.7, "top_k": 9, "top_p": 0.95, "min_p": 0.02, "typical_p": 0.9, "epsilon_cutoff": 0.01, "eta_cutoff": 0.1},
]  # fmt: skip


def filters(case: dict) -> list:
    made = {
        "temperature": lambda value: TemperatureLogitsWarper(value),
        "top_k": lambda value: TopKLogitsWarper(value),
        "top_p": lambda value: TopPLogitsWarper(value),
        "min_p": lambda value: MinPLogitsWarper(value),
        "typical_p": lambda value: TypicalLogitsWarper(value),
        "epsilon_cutoff": lambda value: EpsilonLogitsWarper(value),
        "eta_cutoff": lambda value: EtaLogitsWarper(value, device="cpu"),
    }
    return [make(case[name]) for name, make in made.items() if name in case]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number in range(4):
        logits = torch.randn(1, 12, generator=generator, dtype=torch.float64) * (1 + number)
        for case in CASES:
            scores = logits.clone()
            for warp in filters(case):
                scores = warp(None, scores)
            probabilities = scores.softmax(-1)[0]
            left = {str(token): float(p) for token, p in enumerate(probabilities) if p > 0}
            rows.append({"log_probs": logits.log_softmax(-1)[0].tolist(), "settings": case, "left": left})
    Path(__file__).with_name("filters.json").write_text(json.dumps(rows, indent=1) + "\n")


main()
