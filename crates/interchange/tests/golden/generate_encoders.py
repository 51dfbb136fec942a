"""Writes the goldens of encoders: tiny BERTs and RoBERTas of transformers, and what they compute.

    pip install -r requirements.txt && python generate_encoders.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, BertModel, BertTokenizer, RobertaConfig,
    RobertaForMaskedLM, RobertaForSequenceClassification, RobertaModel, RobertaTokenizer, logging,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

SIZES = dict(hidden_size=6, num_hidden_layers=2, num_attention_heads=2, intermediate_size=7)
LABELS = {0: "animal", 1: "street", 2: "neither"}
TEXTS = ["the animal was too tired", "The STREET, naïve: wide!", "an ☃ unknown"]
WORDS = "the animal was too tired street wide na ##ive ##ï end an ##d un ##known The STREET , : ! a"


def wordpiece(folder: Path, lowercase: bool, as_json: bool) -> BertTokenizer:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")
    tokenizer = BertTokenizer.from_pretrained(str(folder))
    if as_json:
        backend(tokenizer, folder)
        (folder / "vocab.txt").unlink()
    return tokenizer


def byte_level(folder: Path, as_json: bool) -> RobertaTokenizer:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_ = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *bytes_, "th", "the", "Ġt", "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(vocabulary)}) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\nĠ t\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}) + "\n")
    tokenizer = RobertaTokenizer.from_pretrained(str(folder))
    if as_json:
        backend(tokenizer, folder)
        (folder / "vocab.json").unlink()
        (folder / "merges.txt").unlink()
    return tokenizer


def backend(tokenizer, folder: Path) -> None:
    """What the library of tokenizers writes, and nothing that says the same once more."""
    text = tokenizer.backend_tokenizer.to_str(pretty=False)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").unlink()


def old_names(state: dict) -> dict:
    """As in files converted from TensorFlow: gamma and beta, a buffer, the decoder once more, pickled."""
    rename = lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    state = {rename(name): tensor for name, tensor in state.items()}
    state["bert.embeddings.position_ids"] = torch.arange(10).unsqueeze(0)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    return state


def encoder(out: Path, name: str, model_class, as_json=False, pickle=False, lowercase=True, **settings) -> None:
    """A folder as `save_pretrained` writes it, and what the model computes of two rows."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    is_bert = name.startswith("bert")
    tokenizer = wordpiece(folder, lowercase, as_json) if is_bert else byte_level(folder, as_json)
    pad, vocab_size = tokenizer.pad_token_id, len(tokenizer)
    config_class = BertConfig if is_bert else RobertaConfig
    config = config_class(
        vocab_size=vocab_size, pad_token_id=pad, max_position_embeddings=10 if is_bert else 11,
        type_vocab_size=2 if is_bert else 1, **SIZES, **settings,
    )  # fmt: skip
    model = model_class(config).eval()
    state = model.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point():
            offset = float("norm.weight" in key.lower())
            tensor.copy_(named(key, *tensor.shape, scale=0.5, offset=offset).float())
    model.tie_weights()
    model.save_pretrained(str(folder))
    state = load_file(folder / "model.safetensors")
    if pickle:
        (folder / "model.safetensors").unlink()
        torch.save(old_names(state), folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")

    rows = [[2, 7, 4, 9, 3, 12, 3], [2, 11, 4, 3]]
    ids = torch.tensor([row + [pad] * (7 - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (7 - len(row)) for row in rows])
    segments = [[0, 0, 0, 0, 0, 1, 1], [0] * 7] if is_bert else [[0] * 7] * 2
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask, token_type_ids=torch.tensor(segments), output_hidden_states=True)
    used = lambda values: torch.cat([values[row, : len(ids)] for row, ids in enumerate(rows)])
    tensors = {"hidden": used(found.hidden_states[-1])}
    for theirs, ours in [("pooler_output", "pooled"), ("prediction_logits", "tokens"), ("seq_relationship_logits", "next")]:
        if found.get(theirs) is not None:
            tensors[ours] = used(found[theirs]) if ours == "tokens" else found[theirs]
    if "logits" in found:
        is_classifier = model_class.__name__.endswith("Classification")
        tensors["labels" if is_classifier else "tokens"] = found.logits if is_classifier else used(found.logits)
    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    case = {"rows": rows, "segments": segments, "texts": TEXTS, "ids": texts}
    write(folder / "outputs.json", [{**case, "tensors": {name: rounded(values) for name, values in tensors.items()}}])


def rounded(values) -> list:
    return [float(f"{x:.9g}") for x in np.asarray(values, dtype=np.float64).reshape(-1).tolist()]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    logging.disable_progress_bar()
    encoder(out, "bert-pretraining", BertForPreTraining)
    encoder(out, "bert-masked-lm", BertForMaskedLM, pickle=True, lowercase=False, hidden_act="gelu_new")
    encoder(out, "bert-classification", BertForSequenceClassification, as_json=True, id2label=LABELS, label2id={v: k for k, v in LABELS.items()})
    encoder(out, "bert-model", BertModel)
    encoder(out, "roberta-masked-lm", RobertaForMaskedLM)
    encoder(out, "roberta-classification", RobertaForSequenceClassification, as_json=True, id2label=LABELS, label2id={v: k for k, v in LABELS.items()})
    encoder(out, "roberta-model", RobertaModel)
