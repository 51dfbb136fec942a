"""Models of other systems."""

from pathlib import Path

import attentive
import pytest

GOLDEN = Path(__file__).parents[3] / "crates" / "interchange" / "tests" / "golden"


def test_a_model_of_transformers_comes_in(tmp_path, command):
    out = tmp_path / "gpt2"
    notes = attentive.import_model(GOLDEN / "gpt2", out)
    assert all(isinstance(note, str) for note in notes)
    written = command("generate", "--model", out, "--no-prompt", "--max-tokens", "12", "--seed", "2", "the")
    assert "".join(attentive.Generator(out).generate("the", max_tokens=12, seed=2)) + "\n" == written
    with pytest.raises(FileExistsError):
        attentive.import_model(GOLDEN / "gpt2", out)
    attentive.import_model(GOLDEN / "gpt2", out, replace=True)


def test_a_language_of_the_vocabulary_is_told_as_if_the_text_said_it(tmp_path):
    attentive.import_model(GOLDEN / "marian", tmp_path / "marian")
    translator = attentive.Translator(tmp_path / "marian")
    said = translator.translate(">>de<< the end")
    told = translator.translate("the end", target_language="de")
    assert (told.text, told.log_prob) == (said.text, said.log_prob)
    with pytest.raises(ValueError, match="no language \"fr\""):
        translator.translate("the end", target_language="fr")


def test_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    for source in ["nothing", "empty"]:
        with pytest.raises(FileNotFoundError, match=source):
            attentive.import_model(tmp_path / source, tmp_path / "out")
    (tmp_path / "empty" / "config.json").write_text("{")
    with pytest.raises(attentive.Error, match="config.json"):
        attentive.import_model(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
