"""Translation."""

import threading

import attentive
import pytest
from interrupting import interrupted


def test_one_text_gives_one_translation_and_several_a_list(translator, lines):
    one = translator.translate(lines[0])
    assert isinstance(one, attentive.Translation)
    assert str(one) == one.text
    both = translator.translate(iter(lines[:2]))
    assert [translation.text for translation in both] == [one.text, translator.translate(lines[1]).text]
    assert translator.translate([]) == []


def test_a_trained_model_copies(translator, lines):
    right = sum(found.text == line for found, line in zip(translator.translate(lines), lines))
    assert right > len(lines) // 2


def test_the_command_writes_the_same(translator, translator_path, lines, command):
    options = ["--n-best", "3", "--scores", "--beam", "5", "--length-penalty", "0.9"]
    written = command("translate", "--model", translator_path, *options, text="\n".join(lines))
    found = translator.translate(lines, n_best=3, beam=5, length_penalty=0.9)
    expected = [
        f"{number}\t{translation.score:.4f}\t{translation.log_prob:.4f}\t{translation.text}"
        for number, best in enumerate(found, 1)
        for translation in [best, *best.alternatives]
    ]
    assert written.splitlines() == expected


def test_precisions(translator_path, lines, command):
    written = command("translate", "--model", translator_path, "--precision", "int8", text="\n".join(lines))
    found = attentive.Translator(translator_path, precision="int8", threads=1).translate(lines)
    assert written.splitlines() == [translation.text for translation in found]


def test_scores_and_alternatives(translator, lines):
    best = translator.translate(lines[4], n_best=4)
    assert len(best.alternatives) == 3
    scores = [best.score, *(other.score for other in best.alternatives)]
    assert scores == sorted(scores, reverse=True)
    assert best.log_prob < 0 and best.is_finished and all(isinstance(id, int) for id in best.ids)
    assert all(not other.alternatives for other in best.alternatives)


def test_a_prefix_begins_each_translation(translator):
    begun = translator.translate(["ab cd", ""], prefix="gh")
    assert begun[0].text.startswith("gh") and begun[1].text == ""


def test_threads_of_python_find_what_each_finds_alone(translator, lines):
    alone = [found.text for found in translator.translate(lines)]
    together = [None] * len(lines)

    def translate(number):
        together[number] = translator.translate(lines[number]).text

    threads = [threading.Thread(target=translate, args=(number,)) for number in range(len(lines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


@pytest.mark.parametrize(
    "settings",
    [{"beam": 0}, {"beam": -1}, {"n_best": 0}, {"beam": 2, "n_best": 3}, {"length_penalty": -1.0}, {"max_length": 0},
     {"batch_tokens": 0}, {"repetition_penalty": 0.0}, {"source_language": "en"}],
)
def test_bad_settings_are_value_errors(translator, settings):
    with pytest.raises(ValueError):
        translator.translate("ab", **settings)


def test_wrong_types_are_type_errors(translator):
    for texts in [3, None, [b"ab"], [1]]:
        with pytest.raises(TypeError):
            translator.translate(texts)


def test_long_texts_are_refused_or_cropped(translator):
    with pytest.raises(ValueError, match="text 2 has .* positions for 16"):
        translator.translate(["ab", "ab " * 40])
    assert translator.translate("ab " * 40, crop=True).text


def test_bad_models(tmp_path, translator_path, encoder_path):
    with pytest.raises(FileNotFoundError, match="no model"):
        attentive.Translator(tmp_path / "nothing")
    with pytest.raises(ValueError, match="precision"):
        attentive.Translator(translator_path, precision="f16")
    with pytest.raises(ValueError, match="threads"):
        attentive.Translator(translator_path, threads=0)
    with pytest.raises(attentive.Error, match="family"):
        attentive.Translator(encoder_path)


def test_a_damaged_model_is_an_error(tmp_path, translator_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ["config.toml", "tokenizer.json", "training.json", "model.safetensors"]:
        (damaged / name).write_bytes((translator_path / name).read_bytes())
    weights = bytearray((damaged / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (damaged / "model.safetensors").write_bytes(weights)
    with pytest.raises(attentive.Error, match="model.safetensors"):
        attentive.Translator(damaged)


def test_ctrl_c_ends_a_translation(translator, lines):
    with interrupted(0.5):
        translator.translate(lines * 5000, beam=32)
    assert translator.translate(lines[0]).text
