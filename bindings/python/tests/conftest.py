"""Small models, trained once for all tests."""

import os
import subprocess
from itertools import cycle, islice

import attentive
import pytest

COPY = """
name = "copy"

[data]
train.tsv = "pairs.tsv"
validation.tsv = "pairs.tsv"

[tokenizer]
merges = 10

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
dropout = 0.0
norm = "pre"
positions = { learned = { max_len = 16 } }

[batch]
max_tokens = 256

[schedule]
kind = "constant"
lr = 5e-3

[training]
steps = 120
validate_every = 60
checkpoint_every = 20

[evaluation]
bleu_sentences = 2
average_last = 1
"""

LETTERS = """
[data]
validation_fraction = 0.1

[model]
d_model = 32
d_ff = 64
n_heads = 2
n_layers = 1
dropout = 0.0
attention_dropout = 0.0

[model.positions.learned]
max_len = 16

[schedule]
kind = "constant"
lr = 5e-3

[training]
steps = 100
validate_every = 100
checkpoint_every = 50

[batch]
context = 16
rows = 4
"""

WRITER = f"""
name = "writer"
task = "causal-lm"
{LETTERS}
[data.train]
text = "text.txt"
documents = "line"

[tokenizer]
kind = "byte-level-bpe"
vocab_size = 261

[evaluation]
samples = 0
"""

READER = f"""
name = "reader"
task = "masked-lm"
{LETTERS}
examples = "sentence-pairs"

[data.train]
text = "spaced.txt"
documents = "paragraph"

[tokenizer]
kind = "wordpiece"
vocab_size = 30

[masking]
copies = 1
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with data and recipes."""
    folder = tmp_path_factory.mktemp("models")
    words = ["ab", "cd", "ef", "gh", "ij"]
    lines = [" ".join(words[(n * 7 + k * (n // 5 + 3)) % 5] for k in range(2 + n % 3)) for n in range(60)]
    (folder / "pairs.tsv").write_text("".join(f"{line}\t{line}\n" for line in lines))
    (folder / "copy.toml").write_text(COPY)
    letters = ["".join(islice(cycle("abcdefghij"), n % 10, n % 10 + 9)) for n in range(100)]
    (folder / "text.txt").write_text("".join(line + "\n" for line in letters))
    (folder / "writer.toml").write_text(WRITER)
    spaced = [" ".join(line) + ("\n" if n % 4 == 3 else "") for n, line in enumerate(letters)]
    (folder / "spaced.txt").write_text("".join(line + "\n" for line in spaced))
    (folder / "reader.toml").write_text(READER)
    return folder


@pytest.fixture(scope="session")
def lines(folder):
    """Sources of the translator."""
    return [line.split("\t")[0] for line in (folder / "pairs.tsv").read_text().splitlines()]


@pytest.fixture(scope="session")
def translator_path(folder):
    return attentive.train(folder / "copy.toml", runs=folder / "runs")


@pytest.fixture(scope="session")
def translator(translator_path):
    return attentive.Translator(translator_path, threads=2)


@pytest.fixture(scope="session")
def generator_path(folder):
    return attentive.train(folder / "writer.toml", runs=folder / "runs")


@pytest.fixture(scope="session")
def encoder_path(folder):
    return attentive.train(folder / "reader.toml", runs=folder / "runs")


@pytest.fixture(scope="session")
def command():
    """Runs the command `attentive`, and gives what it writes."""
    program = os.environ.get("ATTENTIVE_PROGRAM")
    if program is None:
        pytest.skip("ATTENTIVE_PROGRAM is not set: the path of the command `attentive`")

    def run(*args, text=""):
        done = subprocess.run([program, *map(str, args)], input=text, text=True, capture_output=True, check=True)
        return done.stdout

    return run
