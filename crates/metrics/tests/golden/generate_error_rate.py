"""Writes the goldens of error rates: those of jiwer, of pairs of texts and of all of them together.

    pip install -r requirements.txt && python generate_error_rate.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import jiwer

PAIRS = [
    ("seven three one", "seven three won"),
    ("He has grave doubts.", "he has  grave   doubts"),
    ("a\tb c", "a b\tc"),
    ("a \t b", "a b"),
    (" begins and ends in spaces  ", "begins and ends in spaces"),
    ("Straße ☃ 日本", "Strasse ☃ 日 本"),
    ("one two three four", ""),
    ("", "nothing was said"),
    ("", ""),
    ("abcdefgh", "badcfehg"),
    ("the cat sat on the mat", "the the cat on mat the"),
    ("x\u00a0y z", "x y\u2003 z"),
]

if __name__ == "__main__":
    references, hypotheses = map(list, zip(*PAIRS))
    rates = lambda r, h: {"words": jiwer.wer(r, h), "characters": jiwer.cer(r, h)}
    golden = {
        "references": references, "hypotheses": hypotheses, "corpus": rates(references, hypotheses),
        "segments": [rates(r, h) for r, h in PAIRS],
    }  # fmt: skip
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    (Path(sys.argv[1]) / "error_rate.json").write_text(text + "\n", encoding="utf-8")
