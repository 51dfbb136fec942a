"""Trains adapters on golden models, and asks PEFT for what they make of the exported models.

    pip install -r golden/requirements-peft.txt && cargo build --release --package attentive-cli
    python check_peft_exports.py [TARGET_FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, logging

ALLOWED = 1e-5
GOLDEN = Path(__file__).parent / "golden"
LAYERS = '["*.self_attention.*", "*.feed_forward.*"]'
CASES = [
    ("llama", "llama", f"rank = 4, targets = {LAYERS}"),
    ("llama", "llama", f'kind = "dora", rank = 2, targets = {LAYERS}'),
    ("gpt2", "gpt2", 'rank = 2, targets = ["*.query", "*.value", "*.outer"]'),
    ("gpt2", "gpt2", f'kind = "dora", rank = 2, rank_stabilized = true, targets = {LAYERS}'),
    ("phi3", "phi3", f"rank = 2, rank_stabilized = true, targets = {LAYERS}"),
    ("bert-classification", "bert", f'rank = 2, targets = {LAYERS}, train = ["classifier"]'),
]  # fmt: skip


def recipe(base: str, adapter: str) -> str:
    of_task = (
        'task = "classification"\ndata.train.tsv = "data"\nbatch = { context = 12, rows = 2 }'
        if base.startswith("bert")
        else 'task = "causal-lm"\ndata.train = { text = "data", documents = "line" }\nbatch = { context = 12, rows = 2 }\nevaluation.samples = 0'
    )
    return f"""name = "tuned"
pretrained = "base"
{of_task}
adapter = {{ {adapter} }}
schedule = {{ kind = "constant", lr = 2e-2 }}
training = {{ steps = 20 }}
"""


def main() -> None:
    logging.set_verbosity_error()
    attentive = (Path(sys.argv[1] if len(sys.argv) > 1 else "target") / "release/attentive").resolve()
    failed = False
    for base, format, adapter in CASES:
        is_encoder = base.startswith("bert")
        auto = AutoModelForSequenceClassification if is_encoder else AutoModelForCausalLM
        with tempfile.TemporaryDirectory() as folder:
            run = lambda *args: subprocess.run([attentive, *map(str, args)], check=True, capture_output=True, cwd=folder)
            lines = ["the animal was tired\tanimal", "a street too wide\tstreet"] if is_encoder else ["the animal was tired", "a street too wide"]
            (Path(folder) / "data").write_text("\n".join(lines * 20) + "\n")
            (Path(folder) / "tune.toml").write_text(recipe(base, adapter))
            run("import", (GOLDEN / base).resolve(), "--out", "base")
            run("train", "tune.toml")
            run("export", "--model", "runs/tuned-1", "--format", format, "--out", "merged")
            run("export", "--model", "runs/tuned-1", "--format", format, "--adapter", "--out", "adapter")
            # The head of the run has its own classes.
            start = "base"
            if is_encoder:
                run("train", "tune.toml", "--set", "adapter.train=[]", "--set", "schedule.lr=0", "--set", "training.steps=1")
                start = "runs/tuned-2"
            run("export", "--model", start, "--format", format, "--out", "theirs")
            ids = torch.tensor([[5, 9, 7, 4, 1, 9, 11, 6, 4], [9, 9, 2, 5, 10, 3, 3, 8, 6]])
            with torch.no_grad():
                before = auto.from_pretrained(f"{folder}/theirs").eval()
                plain = before(input_ids=ids).logits
                changed = PeftModel.from_pretrained(before, f"{folder}/adapter").eval()(input_ids=ids).logits
                expected = auto.from_pretrained(f"{folder}/merged").eval()(input_ids=ids).logits
            error, moved = (changed - expected).abs().max().item(), (changed - plain).abs().max().item()
            print(f"{base}, {adapter}: logits within {error:.1e}, moved by {moved:.1e}")
            failed |= error > ALLOWED or moved < 1e-2
    sys.exit(failed)


if __name__ == "__main__":
    main()
