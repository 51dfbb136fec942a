"""Writes the goldens of BERT's kin: tiny DistilBERTs, XLM-RoBERTas, MPNets, ELECTRAs and ALBERTs of transformers, and what
they compute.

    pip install -r requirements.txt && python generate_kin.py OUT_DIR
"""

import io
import json
import sys
from pathlib import Path

import sentencepiece
import torch
from generate_encoders import LABELS, TEXTS, WORDS, backend, rounded, wordpiece
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig, AlbertForMaskedLM, AlbertForPreTraining, AlbertForSequenceClassification, AlbertTokenizer,
    DistilBertConfig, DistilBertForMaskedLM, DistilBertForSequenceClassification, DistilBertModel, ElectraConfig,
    ElectraForMaskedLM, ElectraForPreTraining, ElectraForSequenceClassification, MPNetConfig, MPNetForMaskedLM,
    MPNetForSequenceClassification, MPNetModel, MPNetTokenizer, XLMRobertaConfig, XLMRobertaForMaskedLM,
    XLMRobertaForSequenceClassification, XLMRobertaModel, XLMRobertaTokenizer, logging,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)
SIZES = dict(hidden_size=6, num_hidden_layers=2, num_attention_heads=2, intermediate_size=7, max_position_embeddings=10)
CLASSES = dict(id2label=LABELS, label2id={name: label for label, name in LABELS.items()})


def of_settings(tokenizer, folder: Path) -> None:
    """What `save_pretrained` of the tokenizer writes."""
    tokenizer.save_pretrained(str(folder))


def mpnet_tokenizer(folder: Path, as_json: bool) -> MPNetTokenizer:
    vocabulary = ["<s>", "<pad>", "</s>", "[UNK]", *WORDS.split(), "<mask>"]
    if as_json:
        tokenizer = MPNetTokenizer(vocab={token: n for n, token in enumerate(vocabulary)})
        of_settings(tokenizer, folder)
        return tokenizer
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MPNetTokenizer"}) + "\n")
    return MPNetTokenizer.from_pretrained(str(folder))


def albert_tokenizer(folder: Path) -> AlbertTokenizer:
    words = [word for word in WORDS.lower().split() if "#" not in word]
    pieces = ["▁" + word for word in dict.fromkeys(words)] + ["▁", *"abcdefghijklmnopqrstuvwxyz,:!"]
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    scored = [(token, 0.0) for token in special] + [(piece, -1.0 - n / 8) for n, piece in enumerate(dict.fromkeys(pieces))]
    tokenizer = AlbertTokenizer(vocab=scored)
    of_settings(tokenizer, folder)
    return tokenizer


def xlm_roberta_tokenizer(folder: Path, as_json: bool) -> XLMRobertaTokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20), model_writer=model, vocab_size=30, character_coverage=1.0, minloglevel=2,
        num_threads=1, normalization_rule_name="identity",
    )  # fmt: skip
    (folder / "sentencepiece.bpe.model").write_bytes(model.getvalue())
    settings = {"tokenizer_class": "XLMRobertaTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")
    tokenizer = XLMRobertaTokenizer.from_pretrained(str(folder))
    if as_json:
        (folder / "sentencepiece.bpe.model").unlink()
        of_settings(tokenizer, folder)
    return tokenizer


def wordpiece_tokenizer(folder: Path, as_json: bool):
    return wordpiece(folder, lowercase=True, as_json=as_json)


def kin(out: Path, name: str, make_tokenizer, model_class, config_class, pickle=False, has_segments=False, **settings) -> None:
    """A folder as `save_pretrained` writes it, and what the model computes of two rows."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    tokenizer = make_tokenizer(folder)
    pad = tokenizer.pad_token_id
    ids_of = {key: getattr(tokenizer, key) for key in ["pad_token_id", "bos_token_id", "eos_token_id"]}
    sizes = {key: value for key, value in {**SIZES, **settings}.items() if value is not None}
    config = config_class(vocab_size=len(tokenizer), **sizes, **ids_of)
    model = model_class(config).eval()
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            offset = float("norm.weight" in key.lower())
            tensor.copy_(named(key, *tensor.shape, scale=0.5, offset=offset).float())
    model.tie_weights()
    model.save_pretrained(str(folder))
    state = load_file(folder / "model.safetensors")
    if pickle:
        (folder / "model.safetensors").unlink()
        state[f"{model.base_model_prefix}.embeddings.position_ids"] = torch.arange(10).unsqueeze(0)
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")

    rows = [[2, 7, 4, 9, 3, 12, 3], [2, 11, 4, 3]]
    segments = [[0, 0, 0, 0, 0, 1, 1], [0] * 7] if has_segments else [[0] * 7] * 2
    inputs = {
        "input_ids": torch.tensor([row + [pad] * (7 - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (7 - len(row)) for row in rows]),
    }
    if has_segments:
        inputs["token_type_ids"] = torch.tensor(segments)
    used = lambda values: torch.cat([values[row, : len(ids)] for row, ids in enumerate(rows)])
    with torch.no_grad():
        encoder = getattr(model, model.base_model_prefix, model)(**inputs)
        found = model(**inputs)
    tensors = {"hidden": used(encoder.last_hidden_state)}
    if encoder.get("pooler_output") is not None:
        tensors["pooled"] = encoder.pooler_output
    if model_class is AlbertForPreTraining:
        tensors["tokens"] = used(found.prediction_logits)
    elif model_class.__name__.endswith("Classification"):
        tensors["labels"] = found.logits
    elif model_class.__name__.endswith("MaskedLM"):
        tensors["tokens"] = used(found.logits)
    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    case = {"rows": rows, "segments": segments, "texts": TEXTS, "ids": texts}
    write(folder / "outputs.json", [{**case, "tensors": {name: rounded(values) for name, values in tensors.items()}}])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    logging.disable_progress_bar()
    words, words_json = (lambda folder: wordpiece_tokenizer(folder, False)), (lambda folder: wordpiece_tokenizer(folder, True))
    pieces, pieces_json = (lambda folder: xlm_roberta_tokenizer(folder, False)), (lambda folder: xlm_roberta_tokenizer(folder, True))

    own = dict(hidden_dim=7, intermediate_size=None)
    distilbert = lambda name, tokenizer, model, **settings: kin(out, name, tokenizer, model, DistilBertConfig, **own, **settings)
    distilbert("distilbert-masked-lm", words, DistilBertForMaskedLM, activation="relu", sinusoidal_pos_embds=True)
    distilbert("distilbert-classification", words_json, DistilBertForSequenceClassification, pickle=True, **CLASSES)
    distilbert("distilbert-model", words, DistilBertModel)

    xlm_roberta = lambda name, tokenizer, model, **settings: kin(out, name, tokenizer, model, XLMRobertaConfig, type_vocab_size=1, **settings)
    xlm_roberta("xlm-roberta-masked-lm", pieces, XLMRobertaForMaskedLM)
    xlm_roberta("xlm-roberta-classification", pieces_json, XLMRobertaForSequenceClassification, **CLASSES)
    xlm_roberta("xlm-roberta-model", pieces_json, XLMRobertaModel)

    mpnet = lambda name, model, as_json=True, **settings: kin(
        out, name, lambda folder: mpnet_tokenizer(folder, as_json), model, MPNetConfig, **settings
    )
    mpnet("mpnet-masked-lm", MPNetForMaskedLM, as_json=False)
    mpnet("mpnet-classification", MPNetForSequenceClassification, **CLASSES)
    mpnet("mpnet-model", MPNetModel)

    electra = lambda name, tokenizer, model, **settings: kin(out, name, tokenizer, model, ElectraConfig, has_segments=True, **settings)
    electra("electra-generator", words, ElectraForMaskedLM, embedding_size=4)
    electra("electra-discriminator", words, ElectraForPreTraining, embedding_size=6)
    electra("electra-classification", words_json, ElectraForSequenceClassification, embedding_size=4, **CLASSES)

    albert = lambda name, model, **settings: kin(out, name, albert_tokenizer, model, AlbertConfig, has_segments=True, embedding_size=4, **settings)
    albert("albert-masked-lm", AlbertForMaskedLM, num_hidden_layers=3)
    albert("albert-pretraining", AlbertForPreTraining, num_hidden_layers=3, num_hidden_groups=2)
    albert("albert-classification", AlbertForSequenceClassification, **CLASSES)
