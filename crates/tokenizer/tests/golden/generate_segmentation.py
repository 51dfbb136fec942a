"""Writes segmentation.json: overlapping user-defined pieces, codes of older formats, and characters by coverage.

    pip install -r requirements-segmentation.txt && python generate_segmentation.py OUT_DIR
"""

import base64
import io
import json
import random
import sys
from collections import Counter
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as model_pb2
from subword_nmt.apply_bpe import BPE

from texts import corpus

CORPUS = corpus()
Piece = model_pb2.ModelProto.SentencePiece


def unigram(rng: random.Random) -> dict[str, object]:
    """A model of overlapping pieces, many of them user-defined and many of equal scores, and what it makes of texts."""
    alphabet = "abcé"
    entries = {}
    for _ in range(16):
        piece = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 5)))
        kind = Piece.USER_DEFINED if rng.random() < 0.3 else Piece.NORMAL
        entries[piece] = (-rng.randrange(0, 30) / 10, kind)
    entries["a"] = (-1.5, Piece.NORMAL)
    model = model_pb2.ModelProto()
    for name, kind in [("<unk>", Piece.UNKNOWN), ("<s>", Piece.CONTROL), ("</s>", Piece.CONTROL)]:
        model.pieces.add(piece=name, score=0, type=kind)
    for piece, (score, kind) in entries.items():
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.model_type = model_pb2.TrainerSpec.UNIGRAM
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    texts = ["".join(rng.choice(alphabet + "x") for _ in range(rng.randrange(1, 30))) for _ in range(30)]
    encoded = base64.b64encode(model.SerializeToString(deterministic=True)).decode()
    return {"model": encoded, "texts": texts, "ids": [processor.encode(text) for text in texts]}


def codes_of_version_1(n: int) -> list[str]:
    """Merges learned where the mark of a word's end is a symbol of its own."""
    words = Counter(word for line in CORPUS for word in line.split())
    spelled = {word: [*word, "</w>"] for word in words}
    merges = []
    for _ in range(n):
        pairs = Counter()
        for word, symbols in spelled.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[word]
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(" ".join(best))
        for word, symbols in spelled.items():
            joined = []
            for symbol in symbols:
                if joined and (joined[-1], symbol) == best:
                    joined[-1] += symbol
                else:
                    joined.append(symbol)
            spelled[word] = joined
    return merges


def segmented(codes: str) -> list[str]:
    bpe = BPE(io.StringIO(codes))
    return [bpe.process_line(line) for line in CORPUS]


def covered(coverage: float) -> str:
    """The characters of the corpus that a model of characters has."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=trained, model_type="char", vocab_size=1000, minloglevel=2,
        character_coverage=coverage, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, hard_vocab_limit=False,
    )  # fmt: skip
    pieces = model_pb2.ModelProto.FromString(trained.getvalue()).pieces
    return "".join(sorted(piece.piece.replace("\u2581", " ") for piece in pieces if piece.type == Piece.NORMAL))


def main(out: Path) -> None:
    rng = random.Random(5)
    version_1 = "".join(line + "\n" for line in codes_of_version_1(200))
    version_2 = (Path(__file__).parent / "subword_nmt.codes").read_text().splitlines()[1:]
    result = {
        "unigram": [unigram(rng) for _ in range(40)],
        "version_1": {"codes": version_1, "segmented": segmented(version_1)},
        # fastBPE writes merges as version 2 does, with counts and without a first line.
        "fastbpe": "".join(f"{line} {9000 - at}\n" for at, line in enumerate(version_2)),
        "coverage": [[coverage, covered(coverage)] for coverage in [0.98, 0.985, 0.99, 0.995, 0.9995, 1.0]],
    }
    for name, is_in in [("segmentation", lambda key: key != "version_1"), ("segmentation.version_1", "version_1".__eq__)]:
        items = [(key, value) for key, value in result.items() if is_in(key)]
        lines = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in items]
        (out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
