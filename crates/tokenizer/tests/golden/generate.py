"""Writes the goldens of attentive-tokenizer: what the original tokenizers make of the texts in texts.py.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import io
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path

import sentencepiece
import tiktoken
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe
from tokenizers import ByteLevelBPETokenizer
from transformers import BertTokenizer, ByT5Tokenizer, CanineTokenizer

from texts import cases, corpus

CORPUS = corpus()
CASES = cases()
GPT2_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
Piece = model_pb2.ModelProto.SentencePiece


def write_json(path: Path, value) -> None:
    """One entry of a list or object a line."""
    encode = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    if isinstance(value, dict):
        lines = [f"{encode(key)}:{encode(item)}" for key, item in value.items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    else:
        path.write_text("[\n" + ",\n".join(map(encode, value)) + "\n]\n")


def subword_nmt(out: Path) -> None:
    """Codes learned by subword-nmt, and the corpus segmented with them."""
    codes = io.StringIO()
    learn_bpe(CORPUS, codes, num_symbols=400)
    (out / "subword_nmt.codes").write_text(codes.getvalue())
    bpe = BPE(codes)
    (out / "subword_nmt.segmented").write_text("".join(bpe.process_line(line) + "\n" for line in CORPUS))


def byte_level(out: Path) -> None:
    """A byte-level vocabulary trained by Hugging Face's tokenizers; ids by tiktoken."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=700, min_frequency=2, special_tokens=specials, show_progress=False)
    model = json.loads(trained.to_str())["model"]
    write_json(out / "byte_level.vocab.json", dict(sorted(model["vocab"].items(), key=lambda item: item[1])))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (out / "byte_level.merges.txt").write_text("#version: 0.2\n" + merges)

    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    byte_of = {chr(byte): byte for byte in printable}
    byte_of |= {chr(256 + n): byte for n, byte in enumerate(b for b in range(256) if b not in printable)}
    to_bytes = lambda token: bytes(byte_of[c] for c in token)
    ranks = {to_bytes(token): id for token, id in model["vocab"].items() if token not in specials}
    encoding = tiktoken.Encoding(
        name="golden", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={"</s>": model["vocab"]["</s>"]}
    )
    ids = [encoding.encode_ordinary(text) for text in CASES]
    assert [encoding.decode(i) for i in ids] == CASES
    write_json(out / "byte_level.ids.json", ids)


def wordpiece(out: Path) -> None:
    """A vocabulary of frequent words, their beginnings and endings; ids by Hugging Face's BertTokenizer."""
    words = Counter(re.findall(r"\w+|[^\w\s]", " ".join(CORPUS)))
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted(set("".join(words)) | set("".join(words).lower()) | set("日本Éé'’。"))
    vocab += characters + ["##" + c for c in characters]
    for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:150]:
        vocab += [word, word.lower(), word[:3], "##" + word[-3:].lower(), "##" + word[2:5]]
    vocab = list(dict.fromkeys(vocab))
    path = out / "wordpiece.vocab.txt"
    path.write_text("".join(token + "\n" for token in vocab))
    result = {}
    for name, lowercase in [("uncased", True), ("cased", False)]:
        tokenizer = BertTokenizer(str(path), do_lower_case=lowercase)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        ids = [encode(text) for text in CASES]
        result[name] = ids
        result[name + "_decoded"] = [tokenizer.decode(i, skip_special_tokens=True) for i in ids]
        pairs = [tokenizer(a, b, split_special_tokens=True) for a, b in zip(CASES[:30], CASES[1:31])]
        result[name + "_pairs"] = [[pair["input_ids"], pair["token_type_ids"]] for pair in pairs]
    write_json(out / "wordpiece.json", result)


def sentencepiece_models(out: Path) -> None:
    """Small models put together here, so that no rounding of a trainer is in them; ids and text by the library."""
    # Rules like those of the library's own normalisers, compiled by its trainer: from and to, as code points.
    rules = {"\t": " ", "\n": " ", "\u00a0": " ", "\u3000": " ", "ﬁ": "fi", "²": "2", "½": "1/2", "e\u0301": "é", "\u00ad": "", "Ａ": "A"}
    hexadecimal = lambda text: " ".join(f"{ord(c):X}" for c in text)
    (out / "rules.tsv").write_text("".join(f"{hexadecimal(a)}\t{hexadecimal(b)}\n" for a, b in rules.items()))
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=trained, vocab_size=120, minloglevel=2,
        normalization_rule_tsv=str(out / "rules.tsv"),
    )  # fmt: skip
    (out / "rules.tsv").unlink()
    charsmap = model_pb2.ModelProto.FromString(trained.getvalue()).normalizer_spec.precompiled_charsmap

    counts = Counter()
    for line in CORPUS:
        for word in line.split():
            word = "▁" + word
            spans = ((a, b) for a in range(len(word)) for b in range(a + 1, min(len(word), a + 8) + 1))
            counts.update(word[a:b] for a, b in spans)
    chosen = sorted(counts, key=lambda piece: (-counts[piece] * len(piece), piece))[:500]
    chosen = sorted(set(chosen) | {piece for piece in counts if len(piece) == 1} | {"▁▁", "▁▁▁"})
    score = lambda piece: round(math.log(max(counts[piece], 1)) - 12, 3)

    variants = {
        "unigram": dict(kind="UNIGRAM", charsmap=charsmap),
        "unigram_bytes": dict(kind="UNIGRAM", bytes=True, extra_spaces=True, user_defined=["<mask>", "ima", "é"]),
        "unigram_suffix": dict(kind="UNIGRAM", charsmap=charsmap, suffix=True, unused=True),
        "bpe": dict(kind="BPE", charsmap=charsmap),
        "bpe_bytes": dict(kind="BPE", bytes=True, extra_spaces=True, unused=True, user_defined=["<mask>", "ima"]),
        "bpe_no_prefix": dict(kind="BPE", extra_spaces=True, no_prefix=True, unk_surface="??"),
    }
    result, pieces = {}, {}
    for name, variant in variants.items():
        model = sentencepiece_model(variant, chosen, score)
        (out / f"sentencepiece.{name}.model").write_bytes(model.SerializeToString(deterministic=True))
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        ids = [processor.encode(text) for text in CASES]
        result[name] = ids
        if name in ["unigram", "bpe_bytes"]:
            pieces[name] = [processor.encode(text, out_type=str) for text in CASES]
        result[name + "_decoded"] = [processor.decode(i) for i in ids]
        # Ids that no text gives: control pieces, bytes in disorder.
        scrambled = [[id * 7919 % processor.vocab_size() for id in i][:20] for i in ids[:60]]
        result[name + "_scrambled"] = [[i, processor.decode(i)] for i in scrambled]
    half = len(variants) // 2 * 3
    items = list(result.items())
    write_json(out / "sentencepiece.unigram.json", dict(items[:half]))
    write_json(out / "sentencepiece.bpe.json", dict(items[half:]))
    write_json(out / "sentencepiece.pieces.json", pieces)


def sentencepiece_model(variant: dict, pieces: list[str], score) -> model_pb2.ModelProto:
    model = model_pb2.ModelProto()
    add = lambda piece, score, kind: model.pieces.add(piece=piece, score=score, type=kind)
    add("<unk>", 0, Piece.UNKNOWN)
    add("<s>", 0, Piece.CONTROL)
    add("</s>", 0, Piece.CONTROL)
    user_defined = variant.get("user_defined", [])
    for piece in user_defined:
        add(piece, 0, Piece.USER_DEFINED)
    if variant.get("bytes"):
        for byte in range(256):
            add(f"<0x{byte:02X}>", 0, Piece.BYTE)
    for n, piece in enumerate(piece for piece in pieces if piece not in user_defined):
        unused = variant.get("unused") and n % 5 == 0 and len(piece) > 1
        add(piece, score(piece), Piece.UNUSED if unused else Piece.NORMAL)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type = getattr(model_pb2.TrainerSpec, variant["kind"])
    trainer.vocab_size = len(model.pieces)
    trainer.byte_fallback = variant.get("bytes", False)
    trainer.treat_whitespace_as_suffix = variant.get("suffix", False)
    trainer.unk_surface = variant.get("unk_surface", " \u2047 ")
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = 0, 1, 2, -1
    normalizer.name = "golden"
    normalizer.precompiled_charsmap = variant.get("charsmap", b"")
    normalizer.add_dummy_prefix = not variant.get("no_prefix", False)
    normalizer.remove_extra_whitespaces = not variant.get("extra_spaces", False)
    normalizer.escape_whitespaces = True
    return model


def plain(out: Path) -> None:
    """ByT5's bytes and CANINE's code points by Hugging Face; special tokens as text."""
    byt5, canine = ByT5Tokenizer(), CanineTokenizer()
    encode = lambda tokenizer, text: tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text))
    write_json(
        out / "plain.json",
        {
            "byt5": [encode(byt5, text) for text in CASES],
            "byt5_vocab_size": len(byt5),
            "byt5_sentinels": byt5.convert_tokens_to_ids([f"<extra_id_{n}>" for n in range(125)]),
            "canine": [encode(canine, text) for text in CASES],
            "canine_vocab_size": len(canine),
            "canine_specials": [canine.pad_token_id, canine.cls_token_id, canine.sep_token_id, canine.mask_token_id],
        },
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    (out / "corpus.txt").write_text("".join(line + "\n" for line in CORPUS))
    write_json(out / "cases.json", CASES)
    for part in [subword_nmt, byte_level, wordpiece, sentencepiece_models, plain]:
        part(out)
