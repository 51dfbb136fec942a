"""Writes the goldens of CANINE: tiny models of transformers with weights by formula, and what they compute.

    pip install -r requirements.txt && python generate_canine.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CanineConfig, CanineForSequenceClassification, CanineModel, CanineTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

SIZES = dict(
    hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=6, num_hash_functions=4,
    num_hash_buckets=32, max_position_embeddings=32, type_vocab_size=3, local_transformer_stride=8,
)  # fmt: skip
# Lengths that are a multiple of four and not, within a block, at its end and beyond, up to all positions; then rows with
# padding behind them, whose last blocks have a character each.
TEXTS = [["ab"], ["abc"], ["naïve"], ["a street"], ["the animal was tired"], ["☃ was not 🐶 in the street, was"]]
TEXTS += [["the animal", "it was tired too", "a"], ["wide", "the street was too", "too wide: it"]]
PAIRS = [[("an animal", "tired")], [("the street", "it was wide"), ("a", "was it")]]


def canine(folder: Path, model_class, **settings) -> None:
    folder.mkdir(exist_ok=True)
    config = CanineConfig(architectures=[model_class.__name__], **SIZES, **settings)
    model = model_class(config).eval()
    state = {
        name: named(name, *tensor.shape, scale=0.5, offset=float(name.endswith("LayerNorm.weight"))).float()
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    if model_class is CanineModel:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        torch.save(state, folder / "pytorch_model.bin")
    tokenizer = CanineTokenizer()
    batches = [tokenizer(texts, padding=True, return_tensors="pt") for texts in TEXTS]
    batches += [tokenizer([a for a, _ in p], [b for _, b in p], padding=True, return_tensors="pt") for p in PAIRS]
    cases = []
    for batch in batches:
        mask = batch["attention_mask"]
        with torch.no_grad():
            if model_class is CanineModel:
                out = model(**batch)
                tensors = {"hidden": out.last_hidden_state[mask == 1], "pooled": out.pooler_output}
            else:
                tensors = {"logits": model(**batch).logits}
        rows = lambda name: [row[:n].tolist() for row, n in zip(batch[name], mask.sum(1).tolist())]
        rounded = {name: [float(f"{x:.7g}") for x in tensor.flatten().tolist()] for name, tensor in tensors.items()}
        cases.append({"ids": rows("input_ids"), "segments": rows("token_type_ids"), "tensors": rounded})
    write(folder / "outputs.json", cases)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    canine(out / "canine", CanineModel)
    names = ["animal", "street", "neither"]
    labels = dict(id2label=dict(enumerate(names)), label2id={name: n for n, name in enumerate(names)})
    canine(out / "canine-classification", CanineForSequenceClassification, hidden_act="relu", **labels)
