"""Exports a trained model and asks transformers and CTranslate2 for what attentive computes itself.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    cargo build --release --package attentive-interchange --example translations
    python check_exports.py MODEL TEXT [TARGET_FOLDER]

MODEL is a model's folder, TEXT a file with a sentence a line. Greedy translations must be equal, logits and
log-probabilities within 1e-4.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import ctranslate2
import torch
from transformers import AutoModelForSeq2SeqLM

ALLOWED = 1e-4


def main() -> None:
    model, text = sys.argv[1:3]
    release = Path(sys.argv[3] if len(sys.argv) > 3 else "target") / "release"
    config = (Path(model) / "config.toml").read_text()
    is_t5 = "scale_scores = false" in config
    transformers = "t5" if is_t5 else "pegasus" if 'norm = "pre"' in config else "marian"
    with tempfile.TemporaryDirectory() as folder:
        for system in [transformers] if is_t5 else [transformers, "ctranslate2"]:
            run([release / "attentive", "export", "--model", model, "--format", system, "--out", f"{folder}/{system}"])
        ours = subprocess.run([release / "examples/translations", model], stdin=open(text), stdout=subprocess.PIPE, check=True)
        lines = [json.loads(line) for line in ours.stdout.splitlines()]
        results = {
            f"transformers ({transformers})": check_transformers(Path(folder) / transformers, lines),
        }
        if not is_t5:
            results["ctranslate2"] = check_ctranslate2(Path(folder) / "ctranslate2", lines)
    failed = False
    for system, (n_equal, errors) in results.items():
        print(f"{system}: {n_equal} of {len(lines)} translations equal, " + ", ".join(f"{name} within {error:.1e}" for name, error in errors.items()))
        failed |= n_equal < len(lines) or max(errors.values()) > ALLOWED
    sys.exit(failed)


def run(command: list) -> None:
    subprocess.run([str(part) for part in command], check=True)


def check_transformers(folder: Path, lines: list) -> tuple:
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    config = json.loads((folder / "config.json").read_text())
    n_equal, logit_error, log_prob_error = 0, 0.0, 0.0
    for line in lines:
        source = torch.tensor([line["source"]])
        with torch.no_grad():
            generated = model.generate(source, do_sample=False, num_beams=1, max_new_tokens=len(line["source"]) + 50, max_length=None)
            target = torch.tensor([[config["decoder_start_token_id"], *line["target"]]])
            logits = model(input_ids=source, decoder_input_ids=target).logits[0]
        n_equal += [i for i in generated[0].tolist()[1:] if i != config["eos_token_id"]] == line["target"]
        logit_error = max(logit_error, (logits[-1] - torch.tensor(line["last_logits"])).abs().max().item())
        wanted = torch.tensor([*line["target"], config["eos_token_id"]])
        log_probs = logits.log_softmax(1).gather(1, wanted.reshape(-1, 1)).flatten()
        log_prob_error = max(log_prob_error, (log_probs - torch.tensor(line["log_probs"])).abs().max().item())
    return n_equal, {"logits": logit_error, "log-probabilities": log_prob_error}


def check_ctranslate2(folder: Path, lines: list) -> tuple:
    translator = ctranslate2.Translator(str(folder), compute_type="float32")
    specials = json.loads((folder / "shared_vocabulary.json").read_text())[:4]
    n_equal, error = 0, 0.0
    for line in lines:
        source = line["source_tokens"][:-1]  # CTranslate2 adds </s>
        [result] = translator.translate_batch(
            [source], beam_size=1, max_decoding_length=len(line["source"]) + 50,
            suppress_sequences=[[token] for token in specials if token != "</s>"],
        )  # fmt: skip
        n_equal += result.hypotheses[0] == line["target_tokens"]
        [scores] = translator.score_batch([source], [line["target_tokens"]])
        error = max(error, *(abs(a - b) for a, b in zip(scores.log_probs, line["log_probs"], strict=True)))
    return n_equal, {"log-probabilities": error}


if __name__ == "__main__":
    main()
