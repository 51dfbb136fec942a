"""Adapters over models, against the models that they were merged into."""

import attentive
import numpy as np
import pytest
from attentive import Encoder, Generator, Translator


@pytest.fixture(scope="module")
def tuned(folder):
    """Trains an adapter on a model, which changes it much: the run's own model has it merged."""

    def train(recipe, base, targets, **more):
        settings = {"pretrained": str(base), "adapter.rank": 4, "adapter.targets": targets, "training.steps": 8, **more}
        return attentive.train(folder / recipe, settings=settings, runs=folder / "runs")

    return train


def test_a_translator_with_an_adapter_is_the_merged_one(translator_path, tuned, folder, lines, command):
    turned = folder / "turned.tsv"
    turned.write_text("".join(f"{line}\t{' '.join(reversed(line.split()))}\n" for line in lines))
    adapter = tuned("copy.toml", translator_path, ["encoder", "decoder"], **{"data.train.tsv": str(turned)})
    models = [Translator(translator_path), Translator(adapter), Translator(str(translator_path), adapter=str(adapter))]
    before, merged, over = [model.translate(lines[:5], beam=1) for model in models]
    assert [one.ids for one in over] == [one.ids for one in merged]
    np.testing.assert_allclose([one.log_prob for one in over], [one.log_prob for one in merged], atol=1e-4)
    assert max(abs(a.log_prob - b.log_prob) for a, b in zip(before, merged)) > 1e-2
    written = command("translate", "--model", f"{translator_path}+{adapter}", "--beam", "1", *lines[:5])
    assert written.splitlines() == [one.text for one in over]


def test_a_generator_with_an_adapter_is_the_merged_one(generator_path, tuned):
    adapter = tuned("writer.toml", generator_path, ["decoder"])
    models = [Generator(generator_path), Generator(adapter), Generator(generator_path, adapter=adapter)]
    texts = ["".join(model.generate("abc", max_tokens=12, temperature=0.0)) for model in models]
    assert texts[2] == texts[1]
    drawn = ["".join(model.generate("a", max_tokens=200, min_tokens=200, temperature=2.0)) for model in models]
    assert drawn[2] != drawn[0]


def test_an_encoder_with_an_adapter_is_the_merged_one(encoder_path, tuned):
    adapter = tuned("reader.toml", encoder_path, ["encoder"])
    models = [Encoder(encoder_path), Encoder(adapter), Encoder(encoder_path, adapter=adapter)]
    before, merged, over = [model.encode(["a b c", "j"]) for model in models]
    np.testing.assert_allclose(over, merged, atol=1e-4)
    assert np.abs(before - merged).max() > 1e-2


def test_an_adapter_of_another_model_is_refused(translator_path, generator_path, tuned, folder):
    with pytest.raises(attentive.Error, match="has no adapter"):
        Generator(generator_path, adapter=generator_path)
    adapter = tuned("copy.toml", translator_path, ["encoder"])
    with pytest.raises(attentive.Error, match=r"does not fit the model:\n  encoder.* is not in the model"):
        Generator(generator_path, adapter=adapter)
    with pytest.raises(FileNotFoundError):
        Generator(generator_path, adapter=folder / "nowhere")
