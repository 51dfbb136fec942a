"""Writes the goldens of BART, mBART, mBART-50, M2M100 and NLLB: tiny folders, the ids of their tokenizers, their logits, and what
transformers writes with them.

    pip install -r requirements.txt && python generate_multilingual.py OUT_DIR
"""

import io
import json
import sys
from pathlib import Path

import sentencepiece
import torch
from generate import rounded
from safetensors.torch import load_file
from transformers import (
    BartConfig, BartForConditionalGeneration, BartTokenizer, M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer,
    MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration, MBartTokenizer, NllbTokenizer, logging,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

# What has characters that no vocabulary here has comes last, and is not learnt from.
TEXTS = {
    "en": ["the animal was too tired", "a wide street, an old house", " two  spaces ", "she sells a closet ☃", "it is", "an 日本 x", ""],
    "de": ["das Tier war zu müde", "eine breite Straße, ein altes Haus", "zwei  Leerzeichen", "sie verkauft es ☃", "er ist", "日 </s> en_XX __de__"],
}
SIZES = dict(
    d_model=8, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=12, decoder_ffn_dim=12, encoder_attention_heads=2,
    decoder_attention_heads=2, max_position_embeddings=40,
)  # fmt: skip


def pieces(kind: str) -> bytes:
    """A SentencePiece model of the texts, without a normaliser's table, which would be larger than all else."""
    model = io.BytesIO()
    lines = [text for texts in TEXTS.values() for text in texts[:5]] * 4
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=60, model_type=kind, hard_vocab_limit=False,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, normalization_rule_name="identity", num_threads=1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def bart_tokenizer(folder: Path):
    """The bytes and two merges, as BART's vocabulary has them: special tokens first, the mask last."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_ = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *bytes_, "th", "the", "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(vocabulary)}) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BartTokenizer"}) + "\n")
    return BartTokenizer.from_pretrained(str(folder))


def of_pieces(cls, kind: str, old: bool):
    """A tokenizer by `sentencepiece.bpe.model`: left as it is in the old layout, else as transformers saves it."""

    def make(folder: Path):
        path = folder / "sentencepiece.bpe.model"
        path.write_bytes(pieces(kind))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": cls.__name__}) + "\n")
        tokenizer = cls.from_pretrained(str(folder))
        if not old:
            path.unlink()
            tokenizer.save_pretrained(str(folder))
        return cls.from_pretrained(str(folder))

    return make


def nllb_tokenizer(folder: Path):
    """Three languages, named as additional tokens: without them, transformers 5 gives none to a SentencePiece model."""
    model = sentencepiece.sentencepiece_model_pb2.ModelProto.FromString(pieces("bpe"))
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *(piece.piece for piece in model.pieces[3:])]
    ids = {piece: n for n, piece in enumerate(vocabulary)}
    ranks = {piece.piece: -piece.score for piece in model.pieces[3:] if len(piece.piece) > 1}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in sorted(ranks, key=ranks.get)
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    languages = ["deu_Latn", "eng_Latn", "fra_Latn"]
    NllbTokenizer(vocab=ids, merges=merges, additional_special_tokens=languages).save_pretrained(str(folder))
    return NllbTokenizer.from_pretrained(str(folder))


def m2m100_tokenizer(folder: Path):
    model = sentencepiece.sentencepiece_model_pb2.ModelProto.FromString(pieces("bpe"))
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *(piece.piece for piece in model.pieces[3:-1])]
    (folder / "vocab.json").write_text(json.dumps({piece: n for n, piece in enumerate(vocabulary)}) + "\n")
    (folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "M2M100Tokenizer", "src_lang": "en"}) + "\n")
    return M2M100Tokenizer.from_pretrained(str(folder))


ENDS = {"bart": 3.5, "mbart": 2.5, "mbart50": 2.6, "m2m100": 3.2, "nllb": 4.0}


def randomised(model, name: str):
    """Weights by formula; those of a table are large, so that the choices of a search are clear."""
    state = model.state_dict()
    for key, tensor in state.items():
        is_norm = "layer_norm.weight" in key or "layernorm_embedding.weight" in key
        scale = 2.0 if "shared" in key else 0.5
        tensor.copy_(named(f"{name} {key}", *tensor.shape, scale=scale, offset=float(is_norm)).float())
        if key == "final_logits_bias":
            tensor *= 0 if name == "mbart50" else 1
    # Ends are likely enough that some texts end.
    end = state["model.shared.weight"][2]
    last = "model.decoder.layers.1.final_layer_norm.bias" if name == "bart" else "model.decoder.layer_norm.bias"
    state[last] += ENDS[name] * end / (end @ end)
    model.load_state_dict(state)
    model.tie_weights()
    return model.eval()


def written(model, tokenizer, text: str, search: dict, never: list, target) -> dict:
    """What a search writes, where special tokens that are never written are suppressed."""
    source = tokenizer(text, return_tensors="pt")
    more = {}
    if target is not None and model.config.model_type == "mbart" and model.config.decoder_start_token_id != 2:
        more["decoder_start_token_id"] = target
    elif target is not None:
        more["forced_bos_token_id"] = target
    first = more.get("forced_bos_token_id", model.generation_config.forced_bos_token_id)
    if first in never:
        # transformers does not suppress what it is to begin with.
        never, more["bad_words_ids"] = [i for i in never if i != first], [[first]]
    with torch.no_grad():
        found = model.generate(
            input_ids=source["input_ids"], attention_mask=source["attention_mask"], do_sample=False, max_new_tokens=12,
            suppress_tokens=never, forced_eos_token_id=None, return_dict_in_generate=True, output_scores=True, **search, **more,
        )  # fmt: skip
    ids = found.sequences[0].tolist()[1:]
    end = model.config.eos_token_id
    score = float(found.sequences_scores[0]) if search["num_beams"] > 1 else None
    return {"text": text, "ids": source["input_ids"][0].tolist(), "search": search, "score": score,
            "written": ids[: ids.index(end)] if end in ids else [i for i in ids if i != model.config.pad_token_id]}  # fmt: skip


SEARCHES = [
    {"num_beams": 1},
    {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False},
    {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True, "min_length": 5, "no_repeat_ngram_size": 2},
    {"num_beams": 2, "length_penalty": 0.5, "early_stopping": "never"},
]


def folder(path: Path, make_tokenizer, config_class, model_class, languages, pickled=False, pad=3, **settings) -> None:
    """A folder as transformers saves it, and what it does: `languages` are those of English and German texts."""
    path.mkdir(exist_ok=True)
    tokenizer = make_tokenizer(path)
    n_tokens = max(max(tokenizer.get_vocab().values()) + 1, getattr(tokenizer, "encoder_size", 0) + len(getattr(tokenizer, "lang_code_to_id", [])))
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None}
    id_of = lambda language: None if language is None else (
        tokenizer.get_lang_id(language) if hasattr(tokenizer, "get_lang_id") else tokenizer.convert_tokens_to_ids(language))
    start = settings.pop("start", None)
    special |= {"decoder_start_token_id": id_of(start)} if start else {}
    model = randomised(model_class(config_class(vocab_size=n_tokens + pad, **SIZES | special | settings)), path.name)
    model.generation_config.forced_bos_token_id = settings.get("forced_bos_token_id")
    model.save_pretrained(str(path))
    if pickled:
        torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
        (path / "model.safetensors").unlink()
    model = model_class.from_pretrained(str(path)).eval()

    texts = []
    for (english, german), side in [(languages, 0), (languages[::-1], 1)]:
        if english is not None:
            tokenizer.src_lang = english
        for text in TEXTS[["en", "de"][side]]:
            ids = tokenizer(text)["input_ids"]
            plain = tokenizer(text, add_special_tokens=False)["input_ids"]
            texts.append({"text": text, "source": english, "ids": ids, "plain": plain,
                          "decoded": tokenizer.decode([i for i in plain if i != 3], skip_special_tokens=True)})  # fmt: skip
        if english is None:
            break
    rows = [[5, 9, 4, 7, 2], [8, 4, 2]]
    target = [[2, 11, 6, 12], [2, 10, 13, 3]]
    source = torch.tensor([rows[0], rows[1] + [1, 1]])
    with torch.no_grad():
        logits = model(input_ids=source, attention_mask=(source != 1).long(), decoder_input_ids=torch.tensor(target)).logits
    never = sorted({0, 1, 3} | ({tokenizer.mask_token_id} if tokenizer.mask_token_id else set()) | set(range(n_tokens, n_tokens + pad)))
    translations = []
    for english, german, side in [(*languages, "en"), (*languages[::-1], "de")]:
        if english is not None:
            tokenizer.src_lang = english
        for text in TEXTS[side][:2]:
            for search in SEARCHES:
                found = written(model, tokenizer, text, search, never, id_of(german))
                translations.append(found | {"from": english, "to": german})
        if english is None:
            break
    filled = []
    if type(model).__name__.startswith(("Bart", "MBart")):
        if languages[0] is not None:
            tokenizer.src_lang = languages[0]
        for text in [TEXTS["en"][0] + f" {tokenizer.mask_token} the", f"{tokenizer.mask_token} {TEXTS['en'][1]}{tokenizer.mask_token}"]:
            source = tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                scores = model(**source).logits[0].log_softmax(-1)  # the decoder reads the source, one to the right
            places = (source["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()
            best = scores[places, :n_tokens].topk(3)
            filled.append({"text": text, "ids": best.indices.tolist(), "log_probs": rounded(best.values)})
    case = {"texts": texts} | ({"filled": filled} if filled else {}) | {"source": rows, "target": target, "translations": translations, "n_tokens": n_tokens}
    write(path / "multilingual.json", [case | {"tensors": {"logits": rounded(logits)}}])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder(out / "bart", bart_tokenizer, BartConfig, BartForConditionalGeneration, (None, None), forced_bos_token_id=0)
    folder(out / "mbart", of_pieces(MBartTokenizer, "unigram", True), MBartConfig, MBartForConditionalGeneration,
           ("en_XX", "de_DE"), pickled=True, start="de_DE", scale_embedding=True)  # fmt: skip
    folder(out / "mbart50", of_pieces(MBart50Tokenizer, "unigram", False), MBartConfig, MBartForConditionalGeneration,
           ("en_XX", "de_DE"), scale_embedding=True)  # fmt: skip
    folder(out / "m2m100", m2m100_tokenizer, M2M100Config, M2M100ForConditionalGeneration, ("en", "de"), scale_embedding=True)
    folder(out / "nllb", nllb_tokenizer, M2M100Config, M2M100ForConditionalGeneration, ("eng_Latn", "deu_Latn"), scale_embedding=True)
