"""Writes the goldens of folders as they are found: tables that are said to be one and are not, padded vocabularies, buffers,
settings that are stale or missing. Each folder is read by transformers as a user reads it.

    pip install -r requirements.txt && python generate_wild.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from generate import rounded, t5_pieces, tokenizer
from generate_encoders import wordpiece
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig, BertForMaskedLM, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer, MarianConfig,
    MarianMTModel, MarianTokenizer, PegasusTokenizer, T5Config, T5ForConditionalGeneration, logging,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

PADDED = 5


def save(folder: Path, model, changes: dict, drop=(), **settings):
    """Saves a model whose weights are by formula, with other tensors and settings, and gives what transformers reads of it."""
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() and "embed_positions" not in name:
            norm = any(part in name.lower() for part in ["norm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight"])
            tensor.copy_(named(name, *tensor.shape, scale=0.5, offset=float(norm)).float())
    model.tie_weights()
    model.save_pretrained(str(folder))
    weights = load_file(folder / "model.safetensors") | changes
    weights = {name: tensor for name, tensor in weights.items() if "embed_positions" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | settings
    config = {key: value for key, value in config.items() if key not in drop}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    return type(model).from_pretrained(str(folder)).eval()


def table(name: str, rows: int, width: int = 6) -> torch.Tensor:
    """Another table than the embeddings, whose last rows, the padding, are what a search would like best."""
    table = named(name, rows, width, scale=0.5).float()
    table[-PADDED:] *= 4
    return table


def padding(n_tokens: int) -> list:
    return list(range(n_tokens, n_tokens + PADDED))


def gpt2(folder: Path) -> None:
    """No model_type, two buffers, a head of its own, an epsilon of its own, two ends, and settings of generation."""
    folder.mkdir(exist_ok=True)
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_ = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocabulary = [*bytes_, "th", "the", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(vocabulary)}) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}) + "\n")
    n_tokens, end = len(vocabulary), len(vocabulary) - 1
    config = GPT2Config(
        vocab_size=n_tokens + PADDED, n_positions=16, n_embd=6, n_layer=2, n_head=2, n_inner=7, layer_norm_epsilon=0.01,
        bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    buffers = {
        "transformer.h.0.attn.bias": torch.ones(1, 1, 16, 16, dtype=torch.bool).tril(),
        "transformer.h.1.attn.bias": torch.ones(1, 1, 16, 16, dtype=torch.uint8).tril(),
        "transformer.h.1.attn.masked_bias": torch.tensor(-1e4),
        "transformer.position_ids": torch.arange(16),
        "lm_head.weight": table("lm_head.weight", n_tokens + PADDED),
    }
    prefix = {"task_specific_params": {"text": {"max_length": 50}}, "prefix": "Once"}
    model = save(folder, GPT2LMHeadModel(config), buffers, drop=["model_type"], eos_token_id=[end, 5], **prefix)
    generation = {
        "_from_model_config": True, "bos_token_id": end, "eos_token_id": end, "do_sample": False, "top_k": 7, "temperature": 0.5,
        "no_repeat_ngram_size": 2, "suppress_tokens": padding(n_tokens), "num_beams": 1,
    }  # fmt: skip
    ids = torch.tensor([[5, 200, 31, 256, end, 7], [9, 9, 0, 257, 100, 3]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        prompt = torch.tensor([[end, *GPT2Tokenizer.from_pretrained(str(folder))("the a")["input_ids"]]])
        greedy = dict(do_sample=False, max_new_tokens=8, eos_token_id=end, pad_token_id=end)
        free = model.generate(prompt, **greedy)[0].tolist()
        bound = model.generate(prompt, suppress_tokens=padding(n_tokens), **greedy)[0].tolist()
    assert max(free) >= n_tokens, "the padding is what would be chosen"
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    new = bound[prompt.shape[1]:]
    case = {"ids": ids.tolist(), "prompt": "the a", "generated": new[: new.index(end)] if end in new else new}
    write(folder / "logits.json", [case | {"tensors": {"logits": rounded(logits)}}])


def bert(folder: Path) -> None:
    """A class of its own, ids in the file, a head and a bias of its own, GELU by its old name."""
    folder.mkdir(exist_ok=True)
    n_tokens = len(wordpiece(folder, True, False))
    config = BertConfig(
        vocab_size=n_tokens + PADDED, hidden_size=6, num_hidden_layers=2, num_attention_heads=2, intermediate_size=7,
        max_position_embeddings=10, hidden_act="gelu_python",
    )  # fmt: skip
    changes = {
        "bert.embeddings.position_ids": torch.arange(10).unsqueeze(0),
        "cls.predictions.decoder.weight": table("decoder", n_tokens + PADDED),
        "cls.predictions.decoder.bias": named("decoder.bias", n_tokens + PADDED).float(),
    }
    model = save(folder, BertForMaskedLM(config), changes, architectures=["OurOwnGuesser"])
    rows = [[2, 7, 4, 9, 3], [2, 11, 4, 5, 3]]
    with torch.no_grad():
        found = model(input_ids=torch.tensor(rows), output_hidden_states=True)
    tensors = {"hidden": rounded(found.hidden_states[-1]), "tokens": rounded(found.logits)}
    write(folder / "outputs.json", [{"rows": rows, "tensors": tensors}])


def labels(folder: Path) -> None:
    """A classifier of three classes beside names of two, and no model_type."""
    folder.mkdir(exist_ok=True)
    n_tokens = len(wordpiece(folder, True, False))
    config = BertConfig(
        vocab_size=n_tokens, hidden_size=6, num_hidden_layers=1, num_attention_heads=2, intermediate_size=7,
        max_position_embeddings=10, num_labels=3,
    )  # fmt: skip
    stale = {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}, "num_labels": 3, "model_type": "bert"}
    model = save(folder, BertForSequenceClassification(config), {}, **stale)
    rows = [[2, 7, 4, 9, 3], [2, 11, 4, 5, 3]]
    with torch.no_grad():
        found = model(input_ids=torch.tensor(rows), output_hidden_states=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": ""}, indent=1, sort_keys=True) + "\n")
    names = [model.config.id2label[n] for n in range(3)]
    tensors = {"hidden": rounded(found.hidden_states[-1]), "labels": rounded(found.logits)}
    write(folder / "outputs.json", [{"rows": rows, "names": names, "tensors": tensors}])


def seq2seq(folder: Path, model, changes: dict, source: list, start: int, encode, n_tokens: int, **settings) -> None:
    """Logits of an encoder–decoder, and what it writes without the padding of its tables."""
    model = save(folder, model, changes, **settings)
    target = [[start, 11, 6, 12], [start, 10, 13, 3]]
    pad = model.config.pad_token_id
    length = max(map(len, source))
    padded = torch.tensor([row + [pad] * (length - len(row)) for row in source])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in source])
    never = [id for id in {pad, start} | set(settings.get("never", []))]
    with torch.no_grad():
        logits = model(input_ids=padded, attention_mask=mask, decoder_input_ids=torch.tensor(target)).logits
        ids = torch.tensor([encode("the animal")])
        greedy = dict(do_sample=False, num_beams=1, max_new_tokens=9, forced_eos_token_id=None, bad_words_ids=None)
        free = model.generate(ids, **greedy)[0].tolist()
        bound = model.generate(ids, suppress_tokens=padding(n_tokens) + never, **greedy)[0].tolist()
    assert max(free) >= n_tokens, "the padding is what would be chosen"
    end = model.config.eos_token_id
    bound = bound[1:]
    generated = bound[: bound.index(end)] if end in bound else bound
    case = {"source": source, "target": target, "text": "the animal", "generated": generated}
    write(folder / "logits.json", [case | {"tensors": {"logits": rounded(logits)}}])


def marian(folder: Path) -> None:
    """All tables differ, whatever config.json says; settings of generation stand in config.json, as of old."""
    folder.mkdir(exist_ok=True)
    n_tokens, _ = tokenizer(folder, False)
    (folder / "tokens.json").unlink()
    pad, size = n_tokens - 1, n_tokens + PADDED
    config = MarianConfig(
        vocab_size=size, d_model=6, encoder_layers=2, decoder_layers=1, encoder_ffn_dim=7, decoder_ffn_dim=7,
        encoder_attention_heads=2, decoder_attention_heads=2, activation_function="swish", scale_embedding=True,
        max_position_embeddings=64, pad_token_id=pad, eos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=pad,
    )  # fmt: skip
    changes = {
        "lm_head.weight": table("lm_head", size),
        "model.decoder.embed_tokens.weight": named("decoder table", size, 6, scale=0.5).float(),
    }
    encode = lambda text: MarianTokenizer.from_pretrained(str(folder))(text)["input_ids"]
    source = [[5, 9, 3, 7, 0], [8, 4, 0]]
    seq2seq(folder, MarianMTModel(config), changes, source, pad, encode, n_tokens)
    config = json.loads((folder / "config.json").read_text())
    of_old = {
        "bad_words_ids": [[pad]], "num_beams": 6, "max_length": 512, "no_repeat_ngram_size": 3, "static_position_embeddings": True,
        "normalize_before": False, "add_bias_logits": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config | of_old, indent=1, sort_keys=True) + "\n")


def t5(folder: Path) -> None:
    """A table of the encoder's own and a head of its own."""
    folder.mkdir(exist_ok=True)
    model = t5_pieces()
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 4}) + "\n")
    n_tokens = len(model.pieces) + 4
    size = n_tokens + PADDED
    config = T5Config(
        vocab_size=size, d_model=6, d_kv=4, d_ff=7, num_layers=2, num_decoder_layers=1, num_heads=3,
        relative_attention_num_buckets=8, relative_attention_max_distance=10, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0,
    )  # fmt: skip
    changes = {
        "encoder.embed_tokens.weight": named("encoder table", size, 6, scale=2).float(),
        "lm_head.weight": table("lm_head", size),
    }
    ids = {model.pieces[n].piece: n for n in range(len(model.pieces))}
    encode = lambda text: [ids["▁" + word] for word in text.split()] + [1]
    seq2seq(folder, T5ForConditionalGeneration(config), changes, [[5, 9, 3, 7, 1], [8, 4, 1]], 0, encode, n_tokens)


def pegasus(folder: Path) -> None:
    """Pegasus' tokenizer by its spiece.model alone."""
    folder.mkdir(exist_ok=True)
    model = t5_pieces()
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PegasusTokenizer"}) + "\n")
    tokenizer = PegasusTokenizer.from_pretrained(str(folder))
    texts = ["the animal was tired", "a street  too wide", "an ☃ unknown", "", "wide wide wide the end"]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    decoded = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    special = {"pad": tokenizer.pad_token_id, "eos": tokenizer.eos_token_id, "unk": tokenizer.unk_token_id}
    case = {"texts": texts, "ids": ids, "decoded": decoded, "n_tokens": len(tokenizer), **special}
    write(folder / "tokens.json", [case])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    logging.disable_progress_bar()
    gpt2(out / "wild-gpt2")
    bert(out / "wild-bert")
    labels(out / "wild-labels")
    marian(out / "wild-marian")
    t5(out / "wild-t5")
    pegasus(out / "wild-pegasus")
