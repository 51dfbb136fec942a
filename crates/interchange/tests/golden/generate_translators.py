"""Writes goldens of translators from other systems: Marian's files, the folders that CTranslate2's own converter makes of
them, and what CTranslate2 computes with these.

    pip install -r requirements-translators.txt && python generate_translators.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import ctranslate2
import numpy as np
import sentencepiece
from ctranslate2.converters import MarianConverter
from sentencepiece import sentencepiece_model_pb2 as model_pb2

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

D_MODEL, D_FF, HEADS, LAYERS = 8, 7, 2, (2, 1)
TEXTS = ["the animal was tired", ">>de<< a street", "too wide: the end", "an ☃ unknown"]
FORCED = "das Tier war müde"

# What Marian's own files have of a model, as its version 1.9 writes them.
OPTIONS = {
    "bert-train-type-embeddings": True, "bert-type-vocab-size": 2, "dec-cell": "gru", "dec-cell-base-depth": 2,
    "dec-cell-high-depth": 1, "dec-depth": LAYERS[1], "dim-emb": D_MODEL, "dim-rnn": 1024, "enc-cell": "gru",
    "enc-cell-depth": 1, "enc-depth": LAYERS[0], "enc-type": "bidirectional", "input-types": [],
    "layer-normalization": False, "right-left": False, "skip": False, "tied-embeddings": False,
    "tied-embeddings-all": True, "tied-embeddings-src": False, "transformer-aan-activation": "swish",
    "transformer-aan-depth": 2, "transformer-aan-nogate": False, "transformer-decoder-autoreg": "self-attention",
    "transformer-dim-aan": 2048, "transformer-dim-ffn": D_FF, "transformer-ffn-activation": "swish",
    "transformer-ffn-depth": 2, "transformer-guided-alignment-layer": "last", "transformer-heads": HEADS,
    "transformer-no-projection": False, "transformer-postprocess": "dan", "transformer-postprocess-emb": "d",
    "transformer-preprocess": "", "transformer-tied-layers": [], "transformer-train-position-embeddings": False,
    "type": "transformer", "version": "v1.9.0 ba94c5b9 2020-05-17 10:42:17 +0100",
}  # fmt: skip


def sentencepiece_model(words: str) -> model_pb2.ModelProto:
    """A Unigram model of words, their beginnings, and characters."""
    model = model_pb2.ModelProto()
    Piece = model_pb2.ModelProto.SentencePiece
    model.pieces.add(piece="<unk>", score=0, type=Piece.UNKNOWN)
    model.pieces.add(piece="</s>", score=0, type=Piece.CONTROL)
    pieces = ["▁" + word for word in words.split()]
    pieces += ["▁", *sorted(set("".join(words.split())))]
    for n, piece in enumerate(dict.fromkeys(pieces)):
        model.pieces.add(piece=piece, score=-1 - n / 8, type=Piece.NORMAL)
    model.trainer_spec.model_type = model_pb2.TrainerSpec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.unk_id, model.trainer_spec.eos_id = 0, 1
    model.trainer_spec.bos_id = model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "golden"
    return model


def yaml_key(token: str) -> str:
    """Plain, or in quotes where YAML needs them."""
    if token[0] in "\"'-?:,[]{}#&*!|>%@`" or ": " in token or token in ["n", "y"]:
        return '"' + token.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return token


def option(key: str, value) -> str:
    if isinstance(value, list):
        return f"{key}:\n" + ("".join(f"  - {item}\n" for item in value) or "  []\n")
    if isinstance(value, bool):
        value = str(value).lower()
    return f'{key}: {value}\n' if value != "" else f'{key}: ""\n'


def weights(options: dict, sizes: list) -> dict:
    """Tensors by formula, with Marian's names and shapes."""
    pre = "n" in options["transformer-preprocess"]
    tensors = {}

    def tensor(name: str, *shape: int) -> None:
        offset = float("_ln_scale" in name)
        tensors[name] = named("marian " + name, *shape, scale=0.5, offset=offset).float().numpy()

    def norm(name: str, end: str) -> None:
        tensor(f"{name}_ln_scale{end}", 1, D_MODEL)
        tensor(f"{name}_ln_bias{end}", 1, D_MODEL)

    if options["tied-embeddings-all"]:
        tensor("Wemb", sizes[0], D_MODEL)
    else:
        tensor("encoder_Wemb", sizes[0], D_MODEL)
        tensor("decoder_Wemb", sizes[1], D_MODEL)
        tensor("decoder_ff_logit_out_W", D_MODEL, sizes[1])
    tensor("decoder_ff_logit_out_b", 1, sizes[1])
    end = "_pre" if pre else ""
    for stack, n_layers in zip(["encoder", "decoder"], LAYERS):
        for n in range(1, n_layers + 1):
            for kind in ["self", "context"] if stack == "decoder" else ["self"]:
                for part in "qkvo":
                    tensor(f"{stack}_l{n}_{kind}_W{part}", D_MODEL, D_MODEL)
                    tensor(f"{stack}_l{n}_{kind}_b{part}", 1, D_MODEL)
                norm(f"{stack}_l{n}_{kind}_Wo", end)
            for part, shape in [("1", (D_MODEL, D_FF)), ("2", (D_FF, D_MODEL))]:
                tensor(f"{stack}_l{n}_ffn_W{part}", *shape)
                tensor(f"{stack}_l{n}_ffn_b{part}", 1, shape[1])
            norm(f"{stack}_l{n}_ffn_ffn", end)
        if pre:
            norm(f"{stack}_top", "")
            norm(f"{stack}_emb", "_pre")
    return tensors


def vocabularies(separate: bool) -> list:
    source = sentencepiece_model("the animal was too tired street wide end a an")
    target = sentencepiece_model("das Tier war zu müde Straße breit Ende ein eine")
    lists = []
    for models in [[source], [target]] if separate else [[source, target]]:
        pieces = ["</s>", "<unk>", ">>de<<", "'", '"', "\\", *(p.piece for model in models for p in model.pieces[2:-1])]
        lists.append(list(dict.fromkeys(pieces)))
    return [source, target, lists[0], lists[-1]]


def marian(folder: Path, pre: bool, separate: bool, compressed: bool) -> None:
    """Files as Marian writes them: a model, vocabularies, SentencePiece models, and settings of its decoder."""
    folder.mkdir(exist_ok=True)
    source, target, of_sources, of_targets = vocabularies(separate)
    (folder / "source.spm").write_bytes(source.SerializeToString(deterministic=True))
    (folder / "target.spm").write_bytes(target.SerializeToString(deterministic=True))
    names = ["vocab.source.yml", "vocab.target.yml"] if separate else ["vocab.yml"]
    for name, entries in zip(names, [of_sources, of_targets]):
        (folder / name).write_text("".join(f"{yaml_key(token)}: {n}\n" for n, token in enumerate(entries)))
    options = OPTIONS | {"dim-vocabs": [len(of_sources), len(of_targets)], "tied-embeddings-all": not separate}
    if pre:
        options |= {
            "transformer-preprocess": "n", "transformer-postprocess": "da", "transformer-postprocess-top": "n",
            "transformer-ffn-activation": "relu", "transformer-postprocess-emb": "nd",
        }  # fmt: skip
    text = "".join(option(key, options[key]) for key in sorted(options))
    tensors = weights(options, [len(of_sources), len(of_targets)])
    tensors["special:model.yml"] = np.frombuffer(text.encode() + b"\0", dtype=np.int8)
    (np.savez_compressed if compressed else np.savez)(folder / "model.npz", **tensors)
    settings = {"relative-paths": True, "models": ["model.npz"], "vocabs": [names[0], names[-1]], "beam-size": 6,
                "normalize": 1, "word-penalty": 0, "mini-batch": 1}  # fmt: skip
    (folder / "decoder.yml").write_text("".join(option(key, value) for key, value in settings.items()))


def pieces(folder: Path, text: str, side: str) -> list:
    """The pieces that Marian is given for a text."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
    code, rest = (text[: text.index("<<") + 2], text[text.index("<<") + 2 :]) if text.startswith(">>") else ("", text)
    return [code] * bool(code) + processor.encode(rest, out_type=str)


def converted(marian: Path, out: Path, quantization: str) -> dict:
    """A folder of CTranslate2's converter, and what CTranslate2 computes with it."""
    vocabularies = sorted(map(str, marian.glob("vocab*.yml")))
    folder = out / f"ctranslate2-of-{marian.name}-{quantization}"
    spec = MarianConverter(str(marian / "model.npz"), vocabularies)._load()
    for stack in [spec.encoder, spec.decoder]:
        stack.position_encodings.encodings = stack.position_encodings.encodings[:32]
    # Marian's norms have this epsilon, which the converter does not say.
    spec.config.layer_norm_epsilon = 1e-9
    spec.validate()
    spec.optimize(quantization)
    folder.mkdir(exist_ok=True)
    spec.save(str(folder))
    for side in ["source", "target"]:
        (folder / f"{side}.spm").write_bytes((marian / f"{side}.spm").read_bytes())
    translator = ctranslate2.Translator(str(folder), compute_type="float32", inter_threads=1, intra_threads=1)
    sources = [pieces(marian, text, "source") for text in TEXTS]
    forced = pieces(marian, FORCED, "target")
    results = translator.translate_batch(
        sources, beam_size=1, max_decoding_length=12, return_scores=True, length_penalty=0, disable_unk=True
    )
    scores = translator.score_batch(sources, [forced] * len(sources))
    return {
        "name": folder.name, "marian": marian.name, "quantization": quantization, "texts": TEXTS, "sources": sources,
        "forced": FORCED, "forced_pieces": forced, "translations": [result.hypotheses[0] for result in results],
        "tensors": {"log_probs": [float(f"{x:.9g}") for score in scores for x in score.log_probs]},
    }  # fmt: skip


if __name__ == "__main__":
    out = Path(sys.argv[1])
    marian(out / "marian-npz", pre=False, separate=False, compressed=False)
    marian(out / "marian-npz-pre", pre=True, separate=True, compressed=True)
    cases = [converted(out / "marian-npz", out, name) for name in ["float32", "float16", "int16", "int8"]]
    cases.append(converted(out / "marian-npz-pre", out, "bfloat16"))
    cases.append(converted(out / "marian-npz-pre", out, "float32"))
    write(out / "translators.json", cases)
