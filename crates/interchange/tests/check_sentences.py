"""Imports a folder of sentence-transformers and compares the vectors of lines of text with those of the library itself.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    python check_sentences.py FOLDER TEXT [TARGET_FOLDER]

FOLDER is a model's folder, TEXT a file with a text a line. Names of special tokens are tokens here, as they are there.
Vectors must be equal within 1e-5.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

ALLOWED = 1e-5


def main() -> None:
    folder, text = sys.argv[1:3]
    attentive = Path(sys.argv[3] if len(sys.argv) > 3 else "target") / "release/attentive"
    lines = Path(text).read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as place:
        model = f"{place}/model"
        subprocess.run([attentive, "import", folder, "--out", model], check=True)
        embed = [attentive, "embed", "--model", model, "--specials"]
        written = subprocess.run(embed, stdin=open(text), stdout=subprocess.PIPE, check=True).stdout
    ours = np.array([json.loads(line)["vector"] for line in written.splitlines()])
    library = SentenceTransformer(folder, device="cpu")
    # One by one: padding changes the last digits.
    theirs = np.array([library.encode(line) for line in lines])
    error = np.abs(ours - theirs).max()
    print(f"{len(lines)} texts, {ours.shape[1]} numbers each: largest difference {error:.2g}, {ALLOWED} allowed")
    if not error <= ALLOWED:
        raise SystemExit("vectors differ")


if __name__ == "__main__":
    main()
