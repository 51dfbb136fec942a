"""Exports a trained encoder and asks transformers for what attentive computes itself.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    python check_encoder_exports.py MODEL TEXT FORMAT [TARGET_FOLDER]

MODEL is a model's folder, TEXT a file with a sentence a line, FORMAT bert, canine or another encoder's. Vectors and, of a
classifier, probabilities must be equal within 1e-4.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

ALLOWED = 1e-4


def main() -> None:
    model, text, name = sys.argv[1:4]
    attentive = Path(sys.argv[4] if len(sys.argv) > 4 else "target") / "release/attentive"
    lines = [line for line in Path(text).read_text(encoding="utf-8").splitlines() if line.strip()]

    def ours(command: str, *options: str) -> str:
        arguments = [str(attentive), command, "--model", model, *options]
        return subprocess.run(arguments, input="\n".join(lines), text=True, stdout=subprocess.PIPE, check=True).stdout

    with tempfile.TemporaryDirectory() as folder:
        print(ours("export", "--format", name, "--out", folder), end="")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
        encoder = AutoModel.from_pretrained(folder).eval()
        errors = {"vectors": 0.0}
        for pooling in ["mean", "cls"]:
            for line, found in zip(lines, ours("embed", "--pooling", pooling).splitlines(), strict=True):
                with torch.no_grad():
                    hidden = encoder(**tokenizer(line, return_tensors="pt")).last_hidden_state[0]
                expected = hidden[1:-1].mean(0) if pooling == "mean" else hidden[0]
                error = (expected - torch.tensor(json.loads(found)["vector"])).abs().max().item()
                errors["vectors"] = max(errors["vectors"], error)
        if config["architectures"][0].endswith("ForSequenceClassification"):
            classifier = AutoModelForSequenceClassification.from_pretrained(folder).eval()
            n_labels = len(config["id2label"])
            errors["probabilities"] = 0.0
            found = ours("classify", "--all").splitlines()
            for n, line in enumerate(lines):
                with torch.no_grad():
                    expected = classifier(**tokenizer(line, return_tensors="pt")).logits[0].softmax(0)
                for row in found[n * (n_labels + 1) + 1 :][:n_labels]:
                    probability, label = row.strip().split("\t")
                    # Printed with four digits.
                    error = abs(expected[config["label2id"][label]].item() - float(probability)) - 5e-5
                    errors["probabilities"] = max(errors["probabilities"], error)
    print(f"transformers ({name}): {len(lines)} texts, " + ", ".join(f"{what} within {e:.1e}" for what, e in errors.items()))
    sys.exit(max(errors.values()) > ALLOWED)


if __name__ == "__main__":
    main()
