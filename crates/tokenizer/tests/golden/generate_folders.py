"""Writes folders.json and its parts: small model folders, file by file, and what transformers makes of the texts in texts.py.

    pip install -r requirements-folders.txt && python generate_folders.py OUT_DIR

The folders are small copies of what models are published as: the vocabularies beside this file, with settings around them.
"""

import base64
import json
import sys
import tempfile
from pathlib import Path

from sentencepiece import sentencepiece_model_pb2 as model_pb2
from transformers import AutoTokenizer

from texts import cases

HERE = Path(__file__).parent
CASES = [text for text in cases()[:70] if "\u0000" not in text]
WITH_SPECIALS = [
    "a <mask> b<mask>",
    "The  [MASK] street",
    "<s>too</s> tired<pad>",
    "new<new> token <new>",
    "[CLS] it [SEP]",
    "<|endoftext|>the <|startoftext|>animal<|endoftext|>",
    "wide <extra_id_0> wider<extra_id_1>",
    "[NEW] widest [new]",
    "\u001d <unk>\u001c<mask> wide<pad>\u0085 \u001d",
]
added = lambda content, **flags: dict(
    content=content, lstrip=False, rstrip=False, single_word=False, normalized=False, special=False
) | flags


def text(name: str) -> str:
    return (HERE / name).read_text()


def wordpiece(extra: str = "") -> str:
    return text("wordpiece.vocab.txt") + extra


def model_proto(kind: str = "unigram") -> model_pb2.ModelProto:
    return model_pb2.ModelProto.FromString((HERE / f"sentencepiece.{kind}.model").read_bytes())


def padded() -> bytes:
    """The pieces of the unigram model in T5's and Pegasus's order: padding, end, and what is unknown."""
    model = model_proto()
    pieces = list(model.pieces)
    del model.pieces[:]
    Piece = model_pb2.ModelProto.SentencePiece
    for name, kind in [("<pad>", Piece.CONTROL), ("</s>", Piece.CONTROL), ("<unk>", Piece.UNKNOWN)]:
        model.pieces.add(piece=name, score=0, type=kind)
    model.pieces.extend(pieces[3:])
    spec = model.trainer_spec
    spec.pad_id, spec.eos_id, spec.unk_id, spec.bos_id = 0, 1, 2, -1
    return model.SerializeToString(deterministic=True)


def of_albert() -> bytes:
    """The same pieces after ALBERT's special ones."""
    model = model_proto()
    pieces = list(model.pieces)
    del model.pieces[:]
    Piece = model_pb2.ModelProto.SentencePiece
    for name in ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]:
        model.pieces.add(piece=name, score=0, type=Piece.UNKNOWN if name == "<unk>" else Piece.CONTROL)
    model.pieces.extend(pieces[3:])
    model.trainer_spec.pad_id, model.trainer_spec.unk_id = 0, 1
    return model.SerializeToString(deterministic=True)


def marian_vocab() -> dict[str, int]:
    """Ids of their own: not in the order of the model's pieces."""
    pieces = [piece.piece for piece in model_proto().pieces][3:]
    names = ["</s>", "<unk>", *sorted(pieces), "<pad>"]
    return {name: id for id, name in enumerate(names)}


def clip() -> dict[str, object]:
    """A vocabulary with word ends, of the merges of the subword-nmt codes that are ASCII."""
    merges = [line for line in text("subword_nmt.codes").splitlines()[1:] if line.isascii()][:120]
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    tokens = characters + [c + "</w>" for c in characters]
    tokens += [line.replace(" ", "") for line in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    known = set(tokens)
    merges = [line for line in merges if all(part in known for part in line.split())]
    return {"vocab.json": {token: id for id, token in enumerate(tokens)}, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}


def byte_level(lines: str | None = None, vocab: dict | None = None) -> dict[str, object]:
    return {
        "vocab.json": vocab or json.loads(text("byte_level.vocab.json")),
        "merges.txt": text("byte_level.merges.txt") if lines is None else lines,
    }


def folders() -> dict[str, dict[str, object]]:
    bert = {"config.json": {"model_type": "bert"}}
    gpt2 = {"config.json": {"model_type": "gpt2"}}
    roberta = {"config.json": {"model_type": "roberta"}}
    size = len(wordpiece().splitlines())
    n_bytes = len(json.loads(text("byte_level.vocab.json")))
    unigram = (HERE / "sentencepiece.unigram.model").read_bytes()
    merged = (HERE / "sentencepiece.bpe_bytes.model").read_bytes()
    hashes = json.loads(text("byte_level.vocab.json"))
    hashes["##"] = n_bytes
    gpt2_names = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")
    return {
        "bert_uncased": {**bert, "vocab.txt": wordpiece(), "tokenizer_config.json": {"do_lower_case": True}},
        "bert_cased": {**bert, "vocab.txt": wordpiece("が\nか\n한\n"), "tokenizer_config.json": {"do_lower_case": False}},
        "bert_accents": {
            **bert, "vocab.txt": wordpiece(), "tokenizer_config.json": {"do_lower_case": True, "strip_accents": False},
        },
        "bert_chinese": {
            **bert, "vocab.txt": wordpiece(), "tokenizer_config.json": {"tokenize_chinese_chars": False},
        },
        "bert_loose_lines": {**bert, "vocab.txt": wordpiece("\nthe\nstreet  \n##ing \nwide\n\n")},
        "bert_added": {
            **bert, "vocab.txt": wordpiece(), "tokenizer_config.json": {"do_lower_case": True},
            "added_tokens.json": {"[NEW]": size},
            "special_tokens_map.json": {"extra_special_tokens": ["[NEW]"]},
        },
        "bert_added_normalized": {
            **bert, "vocab.txt": wordpiece(), "added_tokens.json": {"Überraschungen": size, "wide st": size + 1},
        },
        "gpt2": {**gpt2, **byte_level(), "tokenizer_config.json": gpt2_names},
        "gpt2_prefix_space": {
            **gpt2, **byte_level(), "tokenizer_config.json": {"add_prefix_space": True} | gpt2_names,
        },
        "gpt2_added": {
            **gpt2, **byte_level(), "added_tokens.json": {"<new>": n_bytes, " tired": n_bytes + 1},
            "tokenizer_config.json": gpt2_names,
        },
        "gpt2_added_decoder": {
            **gpt2, **byte_level(),
            "tokenizer_config.json": gpt2_names | {"added_tokens_decoder": {
                str(n_bytes): added("<new>", lstrip=True, special=True),
                str(n_bytes + 1): added("animal di", single_word=True, normalized=True),
                str(n_bytes + 2): added("wide st", rstrip=True),
            }},
        },
        "gpt2_hashes": {
            **gpt2, **byte_level("# #\n" + "".join(text("byte_level.merges.txt").splitlines(True)[1:]), hashes),
            "tokenizer_config.json": gpt2_names,
        },
        "gpt2_few_bytes": {
            **gpt2,
            **byte_level(vocab={token: id for id, token in enumerate(
                token for token in json.loads(text("byte_level.vocab.json")) if token not in ["Ą", "ą", "Ć", "ć", "õ", "ö"]
            )}),
            "tokenizer_config.json": gpt2_names,
        },
        "roberta": {**roberta, **byte_level()},
        "roberta_mask": {
            **roberta, **byte_level(), "special_tokens_map.json": {"mask_token": added("<mask>", lstrip=True)},
        },
        "roberta_prefix_space": {**roberta, **byte_level(), "tokenizer_config.json": {"add_prefix_space": True}},
        "byt5": {"config.json": {"model_type": "t5"}, "tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"}},
        "canine": {"config.json": {"model_type": "canine"}},
        "bert_additional": {
            **bert, "vocab.txt": wordpiece(), "added_tokens.json": {"[NEW]": size},
            "special_tokens_map.json": {"additional_special_tokens": ["[NEW]"]},
        },
        "gpt2_added_white_space": {
            **gpt2, **byte_level(), "tokenizer_config.json": gpt2_names | {"added_tokens_decoder": {
                str(n_bytes): added("<new>", rstrip=True), str(n_bytes + 1): added(" "),
            }},
        },
        "clip": {"config.json": {"model_type": "clip"}, **clip()},
        "xlm_roberta": {"config.json": {"model_type": "xlm-roberta"}, "sentencepiece.bpe.model": unigram},
        "camembert": {"config.json": {"model_type": "camembert"}, "sentencepiece.bpe.model": unigram},
        "t5": {"config.json": {"model_type": "t5"}, "spiece.model": padded()},
        "t5_added": {
            "config.json": {"model_type": "t5"}, "spiece.model": padded(),
            "tokenizer_config.json": {"extra_ids": 10},
            "added_tokens.json": {"<new>": len(model_proto().pieces) + 10},
        },
        "pegasus": {"config.json": {"model_type": "pegasus"}, "spiece.model": padded()},
        "marian_separate": {
            "config.json": {"model_type": "marian", "decoder_start_token_id": 3},
            "source.spm": unigram, "target.spm": unigram, "vocab.json": marian_vocab(),
            "target_vocab.json": {"</s>": 0, "<unk>": 1, "the": 2, "<pad>": 3},
            "tokenizer_config.json": {"tokenizer_class": "MarianTokenizer", "separate_vocabs": True},
        },
        "marian": {
            "config.json": {"model_type": "marian", "decoder_start_token_id": len(marian_vocab()) - 1},
            "source.spm": unigram, "target.spm": unigram, "vocab.json": marian_vocab(),
            "tokenizer_config.json": {"tokenizer_class": "MarianTokenizer"},
        },
        "llama": {
            "config.json": {"model_type": "llama"}, "tokenizer.model": merged,
            "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": True},
        },
        "llama_new": {
            "config.json": {"model_type": "llama"}, "tokenizer.model": merged, "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"},
        },
        "gemma": {
            "config.json": {"model_type": "gemma"}, "tokenizer.model": merged,
            "tokenizer_config.json": {
                "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "mask_token": "<unk>", "add_bos_token": True,
            },
        },
        "albert": {"config.json": {"model_type": "albert"}, "spiece.model": of_albert()},
        "qwen2": {
            "config.json": {"model_type": "qwen2"}, **byte_level(),
            "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"},
        },
        # Of the vocabulary's special tokens, it names some.
        "opt": {
            "config.json": {"model_type": "opt"}, **byte_level(),
            "tokenizer_config.json": {
                "add_bos_token": True, "bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>",
            },
        },
    }  # fmt: skip


# Their own tokenizer.json is large, and read as any other.
WITHOUT_SAVED = ["llama", "llama_new", "gemma", "albert", "qwen2", "opt"]


def write(folder: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            (folder / name).write_text(content)


def expected(folder: Path) -> dict[str, object]:
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    encode = lambda text, special: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)
    decode = lambda row: tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    with_specials = [encode(text, True) for text in WITH_SPECIALS]
    framed = tokenizer.encode("", add_special_tokens=True)
    return {
        "ids": [encode(text, False) for text in CASES],
        "with_specials": with_specials,
        "decoded": [decode(row) for row in with_specials],
        "frame": framed,
        # Of a Marian model with two vocabularies, that of sources.
        "n": max(tokenizer.get_vocab().values()) + 1,
        "class": type(tokenizer).__name__,
    }


def main(out: Path) -> None:
    result = {"cases": CASES, "with_specials": WITH_SPECIALS, "folders": []}
    for name, files in folders().items():
        # As published, and as transformers 5 saves it.
        for saved in [False, True][: 1 if name in WITHOUT_SAVED else 2]:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                write(folder, files)
                if saved:
                    again = folder / "saved"
                    AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(again))
                    (again / "config.json").write_text(json.dumps(files["config.json"]))
                    folder = again
                    files = {path.name: path.read_bytes() for path in sorted(again.iterdir())}
                entry = {"name": name + ("_saved" if saved else ""), **expected(folder)}
                entry["files"] = {name: stored(content) for name, content in files.items()}
                result["folders"].append(entry)
                print(entry["name"], entry["class"], entry["n"], entry["frame"])
    encode = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    # Files of a size that can be read and compared.
    parts = [[]]
    for entry in map(encode, result["folders"]):
        if sum(len(other) + 2 for other in parts[-1]) + len(entry) > 95_000:
            parts.append([])
        parts[-1].append(entry)
    head = f'{{"cases":{encode(result["cases"])},\n"with_specials":{encode(result["with_specials"])},\n'
    (out / "folders.json").write_text(head + f'"n_parts":{len(parts)}}}\n')
    for at, part in enumerate(parts):
        (out / f"folders.{at}.json").write_text("[\n" + ",\n".join(part) + "\n]\n")


def stored(content: object) -> object:
    """The content of a file: its text, the name of the golden file that it is, or bytes."""
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)).encode()
    for name in ["wordpiece.vocab.txt", "byte_level.vocab.json", "byte_level.merges.txt", "sentencepiece.unigram.model", "sentencepiece.bpe_bytes.model"]:
        golden = (HERE / name).read_bytes()
        if content == golden or name.endswith(".json") and same_json(content, golden):
            return {"golden": name}
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return text


def same_json(a: bytes, b: bytes) -> bool:
    try:
        return json.loads(a) == json.loads(b)
    except ValueError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
