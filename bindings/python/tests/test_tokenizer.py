"""Text to ids and back."""

import attentive
import pytest


@pytest.fixture(scope="module")
def tokenizer(translator_path):
    return attentive.Tokenizer(translator_path)


def test_text_comes_back(tokenizer):
    for text in ["ab cd", "Ein Käse, 東京 🐱", ""]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode(["ab", "cd ef"]) == [tokenizer.encode("ab"), tokenizer.encode("cd ef")]


def test_tokens_are_entries_of_the_vocabulary(tokenizer):
    ids = tokenizer.encode("ab gh")
    assert tokenizer.tokens("ab gh") == [tokenizer.token(id) for id in ids]
    assert len(tokenizer) == tokenizer.vocab_size > max(ids)
    assert tokenizer.token(tokenizer.vocab_size) is None


def test_the_command_writes_the_same(tokenizer, translator_path, command):
    text = "ab cd ef x"
    written = command("tokenize", "encode", "--tokenizer", translator_path, text=text + "\n")
    assert [int(id) for id in written.split()] == tokenizer.encode(text)


def test_names_of_special_tokens(generator_path):
    tokenizer = attentive.Tokenizer(generator_path)
    assert tokenizer.encode("<mask>", specials=True) == [4] and len(tokenizer.encode("<mask>")) == 6


def test_errors(tokenizer, tmp_path):
    with pytest.raises(FileNotFoundError):
        attentive.Tokenizer(tmp_path / "nothing")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(attentive.Error, match="bad.json"):
        attentive.Tokenizer(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="not in the vocabulary"):
        tokenizer.decode([tokenizer.vocab_size])


def test_bytes_need_no_file():
    assert attentive.Tokenizer("byt5").encode("hi") == [107, 108]
