"""Text after a prompt."""

import attentive
import pytest
from interrupting import interrupted


@pytest.fixture(scope="module")
def generator(generator_path):
    return attentive.Generator(generator_path, threads=1)


def test_pieces_come_one_after_another(generator):
    pieces = generator.generate("abc", max_tokens=5, temperature=0.0, begin=False)
    assert iter(pieces) is pieces and pieces.ended is None
    text = "".join(pieces)
    assert text == "defgh"
    assert pieces.ended == "length"
    assert list(pieces) == []


def test_the_command_writes_the_same(generator, generator_path, command):
    options = ["--max-tokens", "30", "--temperature", "1.3", "--top-k", "7", "--top-p", "0.9", "--seed", "5"]
    written = command("generate", "--model", generator_path, "--no-prompt", *options, "ab")
    found = "".join(generator.generate("ab", max_tokens=30, temperature=1.3, top_k=7, top_p=0.9, seed=5))
    assert written == found + "\n"


def test_a_seed_draws_the_same_text(generator):
    one, again, other = ("".join(generator.generate("a", max_tokens=40, temperature=2.0, seed=n)) for n in [1, 1, 2])
    assert one == again != other


def test_stop_strings_end_a_text(generator):
    for stop in ["fg", ["x", "fg"]]:
        pieces = generator.generate("abc", max_tokens=20, temperature=0.0, begin=False, stop=stop)
        assert "".join(pieces) == "de"
        assert pieces.ended == "stop"


def test_texts_may_be_read_side_by_side(generator):
    alone = ["".join(generator.generate(prompt, max_tokens=200, seed=3)) for prompt in "abc"]
    writers = [generator.generate(prompt, max_tokens=200, seed=3) for prompt in "abc"]
    texts = ["", "", ""]
    open_texts = [0, 1, 2]
    while open_texts:
        for number in list(open_texts):
            piece = next(writers[number], None)
            if piece is None:
                open_texts.remove(number)
            else:
                texts[number] += piece
    assert texts == alone


def test_a_text_may_be_left(generator):
    pieces = generator.generate("a", max_tokens=10_000_000)
    next(pieces)
    del pieces
    assert "".join(generator.generate("a", max_tokens=3))


def test_bad_settings_are_value_errors_at_once(generator):
    for settings in [{"temperature": -1.0}, {"top_p": 0.0}, {"max_tokens": -1}, {"max_tokens": 1 << 40}]:
        with pytest.raises(ValueError):
            generator.generate("a", **settings)
    for limit in [{"top_k": 4}, {"top_p": 0.9}, {"min_p": 0.1}]:
        with pytest.raises(ValueError, match="limits what is drawn"):
            generator.generate("a", temperature=0.0, **limit)


def test_bad_models(translator_path):
    with pytest.raises(attentive.Error, match="family"):
        attentive.Generator(translator_path)


def test_ctrl_c_ends_a_text(generator):
    pieces = generator.generate("a", max_tokens=10_000_000, min_tokens=10_000_000)
    with interrupted(0.3):
        for _ in pieces:
            pass
    del pieces
    assert "".join(generator.generate("a", max_tokens=3))
