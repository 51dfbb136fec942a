"""Imports and exports the golden decoders, and asks transformers for the logits and ids of what was written.

    pip install -r golden/requirements.txt && cargo build --release --package attentive-cli
    python check_decoder_exports.py [TARGET_FOLDER]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

ALLOWED = 1e-5
GOLDEN = Path(__file__).parent / "golden"
FORMATS = {
    "llama": "llama", "llama-old": "llama", "mistral": "mistral", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma",
    "gemma2": "gemma2", "gemma3": "gemma3_text", "phi": "phi", "phi3": "phi3", "gpt-neox": "gpt_neox", "gpt-neox-in-turn": "gpt_neox", "starcoder2": "starcoder2",
    "opt": "opt",
}  # fmt: skip


def main() -> None:
    logging.set_verbosity_error()
    attentive = Path(sys.argv[1] if len(sys.argv) > 1 else "target") / "release/attentive"
    failed = False
    for name, system in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            model, theirs = f"{folder}/model", f"{folder}/theirs"
            for command in [["import", str(GOLDEN / name), "--out", model], ["export", "--model", model, "--format", system, "--out", theirs]]:
                subprocess.run([attentive, *command], check=True, capture_output=True)
            case = json.loads((GOLDEN / name / "logits.json").read_text())[0]
            expected = torch.tensor(case["tensors"]["logits"])
            with torch.no_grad():
                found = AutoModelForCausalLM.from_pretrained(theirs).eval()(input_ids=torch.tensor(case["ids"])).logits
            error = (found.flatten() - expected).abs().max().item()
            tokenizer = AutoTokenizer.from_pretrained(theirs)
            ids = [tokenizer(text)["input_ids"] for text in case["texts"]]
            print(f"{name}: logits within {error:.1e}, ids {'equal' if ids == case['encoded'] else 'differ'}")
            failed |= error > ALLOWED or ids != case["encoded"]
    sys.exit(failed)


if __name__ == "__main__":
    main()
