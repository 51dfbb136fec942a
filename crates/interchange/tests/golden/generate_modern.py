"""Writes the goldens of ModernBERT: tiny models of transformers with every head, and what they compute of texts that are longer
than their windows.

    pip install -r requirements.txt && python generate_modern.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    ModernBertConfig, ModernBertForMaskedLM, ModernBertForQuestionAnswering, ModernBertForSequenceClassification,
    ModernBertForTokenClassification, ModernBertModel, PreTrainedTokenizerFast, logging,
)  # fmt: skip

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from generate_encoders import LABELS, TEXTS, rounded, wordpiece
from torch_golden import named, write

torch.set_num_threads(1)
# A window of 2 to each side: `local_attention` is 4, or 5, whose half is cut.
SIZES = dict(hidden_size=8, num_hidden_layers=5, num_attention_heads=2, intermediate_size=7, max_position_embeddings=32, local_attention=4)
CLASSES = dict(id2label=LABELS, label2id={name: label for label, name in LABELS.items()})
SPECIALS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]


def byte_level(folder: Path) -> PreTrainedTokenizerFast:
    """As the released one: NFC, bytes, special tokens after the vocabulary, spaces that are tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*letters, "th", "the", "Ġthe"]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    tokenizer = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(vocabulary)}, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("   ", normalized=True)])
    # The mask takes the white space before it.
    tokenizer.add_special_tokens([AddedToken(name, lstrip=name == "[MASK]", special=True) for name in SPECIALS])
    ids = [(name, tokenizer.token_to_id(name)) for name in ["[CLS]", "[SEP]"]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    roles = dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **roles)
    fast.save_pretrained(str(folder))
    return fast


def words(folder: Path):
    return wordpiece(folder, lowercase=True, as_json=False)


def modern(out: Path, name: str, make_tokenizer, model_class, old=False, **settings) -> None:
    """A folder as `save_pretrained` writes it, or with the settings of versions before 5, and what the model computes."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    tokenizer = make_tokenizer(folder)
    pad, cls, sep = tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id
    ids_of = dict(pad_token_id=pad, cls_token_id=cls, sep_token_id=sep, bos_token_id=cls, eos_token_id=sep)
    config = ModernBertConfig(vocab_size=len(tokenizer), **{**SIZES, **settings}, **ids_of)
    model = model_class(config).eval()
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            offset = float("norm.weight" in key.lower())
            tensor.copy_(named(key, *tensor.shape, scale=0.5, offset=offset).float())
    model.tie_weights()
    model.save_pretrained(str(folder))
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    if old:
        rope = written.pop("rope_parameters")
        written["global_rope_theta"] = rope["full_attention"]["rope_theta"]
        written["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
        written["global_attn_every_n_layers"] = settings.get("global_attn_every_n_layers", 3)
        del written["layer_types"]
        written.update(layer_norm_eps=1e-5, position_embedding_type="absolute", reference_compile=None)
    (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")

    n = len(tokenizer)
    middle = [[(7 * at + 3) % n for at in range(length)] for length in (9, 3)]
    rows = [[cls, *ids, sep] for ids in middle]
    width = max(map(len, rows))
    inputs = {
        "input_ids": torch.tensor([row + [pad] * (width - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
    }
    used = lambda values: torch.cat([values[row, : len(ids)] for row, ids in enumerate(rows)])
    with torch.no_grad():
        hidden = getattr(model, "model", model)(**inputs).last_hidden_state
        found = model(**inputs)
    tensors = {"hidden": used(hidden)}
    if model_class is ModernBertForMaskedLM:
        tensors["tokens"] = used(found.logits)
    elif model_class is ModernBertForSequenceClassification:
        tensors["labels"] = found.logits
    elif model_class is ModernBertForTokenClassification:
        tensors["tags"] = used(found.logits)
    elif model_class is ModernBertForQuestionAnswering:
        tensors["spans"] = used(torch.stack([found.start_logits, found.end_logits], dim=-1))
    texts = [*TEXTS, "the   the", "u\u0308 the"]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    case = {"rows": rows, "segments": [[0] * width] * 2, "texts": texts, "ids": ids}
    write(folder / "outputs.json", [{**case, "tensors": {name: rounded(values) for name, values in tensors.items()}}])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    logging.disable_progress_bar()
    modern(out, "modernbert-masked-lm", byte_level, ModernBertForMaskedLM)
    modern(out, "modernbert-classification", words, ModernBertForSequenceClassification, classifier_pooling="mean", old=True, **CLASSES)
    modern(
        out, "modernbert-tags", words, ModernBertForTokenClassification, norm_bias=True, attention_bias=True, mlp_bias=True,
        classifier_bias=True, local_attention=5, **CLASSES,
    )  # fmt: skip
    modern(
        out, "modernbert-answers", words, ModernBertForQuestionAnswering, classifier_activation="relu", hidden_activation="gelu_new",
        layer_types=["sliding_attention", "full_attention", "full_attention", "sliding_attention", "sliding_attention"],
    )  # fmt: skip
    modern(
        out, "modernbert-untied", words, ModernBertForMaskedLM, tie_word_embeddings=False, hidden_activation="relu",
        classifier_activation="relu", local_attention=8,
    )  # fmt: skip
    modern(out, "modernbert-model", words, ModernBertModel, global_attn_every_n_layers=2, norm_eps=1e-3, old=True)
