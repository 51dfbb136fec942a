"""Exports a trained encoder and asks transformers for what attentive computes itself.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    python check_encoders.py MODEL TEXT [TARGET_FOLDER]

MODEL is a model's folder, TEXT a file with a sentence a line, with a [MASK] in each if the model guesses hidden tokens.
Ids must be equal, vectors and probabilities within 1e-4.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

ALLOWED = 1e-4


def main() -> None:
    model, text = sys.argv[1:3]
    attentive = Path(sys.argv[3] if len(sys.argv) > 3 else "target") / "release/attentive"
    run = lambda *args: subprocess.run([attentive, *args], stdin=open(text), stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = Path(text).read_text(encoding="utf-8").splitlines()
    # RoBERTa's tokenizer is another.
    system = "roberta" if '"<s>"' in Path(model, "tokenizer.json").read_text(encoding="utf-8") else "bert"
    errors = {}
    with tempfile.TemporaryDirectory() as folder:
        print(run("export", "--model", model, "--format", system, "--out", folder), end="")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        masked = [line.replace("[MASK]", tokenizer.mask_token) for line in lines]
        plain = [line.replace("[MASK]", "") for line in lines]
        config = json.loads(Path(folder, "config.json").read_text())
        inputs = lambda text: tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            encoder = AutoModel.from_pretrained(folder).eval()
            Path(folder, "plain.txt").write_text("\n".join(plain) + "\n", encoding="utf-8")
            vectors = subprocess.run(
                [attentive, "embed", "--model", model, "--pooling", "cls"], stdin=open(f"{folder}/plain.txt"),
                stdout=subprocess.PIPE, check=True,
            ).stdout.splitlines()  # fmt: skip
            theirs = [encoder(**inputs(line)).last_hidden_state[0, 0] for line in plain]
            ours = [torch.tensor(json.loads(line)["vector"]) for line in vectors]
            errors["vectors"] = max((a - b).abs().max().item() for a, b in zip(ours, theirs, strict=True))
            if config.get("id2label"):
                classifier = AutoModelForSequenceClassification.from_pretrained(folder).eval()
                for found, line in zip(run("classify", "--model", model).splitlines(), lines, strict=True):
                    label, probability = found.split("\t")[:2]
                    probabilities = classifier(**inputs(line)).logits[0].softmax(0)
                    error = abs(probabilities[classifier.config.label2id[label]].item() - float(probability))
                    errors["classes"] = max(errors.get("classes", 0.0), error)
            if "ForMaskedLM" in config["architectures"][0] or "ForPreTraining" in config["architectures"][0]:
                guesser = AutoModelForMaskedLM.from_pretrained(folder).eval()
                blocks = run("fill", "--model", model).split("  [MASK] 1\n")[1:]
                for block, line in zip(blocks, masked, strict=True):
                    batch = inputs(line)
                    place = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
                    best = guesser(**batch).logits[0, place].softmax(0).topk(5)
                    for candidate, probability in zip(block.splitlines()[:5], best.values):
                        error = abs(float(candidate.split("\t")[0]) - probability.item())
                        errors["guesses"] = max(errors.get("guesses", 0.0), error)
    print(f"{len(lines)} lines, {system}: " + ", ".join(f"{name} within {error:.1e}" for name, error in errors.items()))
    sys.exit(max(errors.values()) > ALLOWED)


if __name__ == "__main__":
    main()
