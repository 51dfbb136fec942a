"""Vectors of texts."""

import json
import threading
import time

import attentive
import numpy as np
import pytest
from interrupting import interrupted


@pytest.fixture(scope="module")
def encoder(encoder_path):
    return attentive.Encoder(encoder_path, threads=1)


TEXTS = ["a b c", "d e f g h", "j a"]


def test_shapes(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (3, 32) and vectors.dtype == np.float32
    assert encoder.encode(TEXTS[0]).shape == (32,)
    assert encoder.encode([]).shape == (0, 32)
    assert np.array_equal(encoder.encode(text for text in TEXTS), vectors)


def test_the_command_writes_the_same(encoder, encoder_path, command, tmp_path):
    for options, keywords in [
        ([], {}),
        (["--pooling", "cls", "--normalize"], {"pooling": "cls", "normalize": True}),
        (["--pooling", "mean,max"], {"pooling": ["mean", "max"]}),
    ]:
        arguments = ["--model", encoder_path, "--npy", tmp_path / "v.npy", "--force", *options]
        command("embed", *arguments, text="\n".join(TEXTS))
        assert np.array_equal(np.load(tmp_path / "v.npy"), encoder.encode(TEXTS, **keywords))
    line = json.loads(command("embed", "--model", encoder_path, TEXTS[1]))
    assert np.array_equal(np.float32(line["vector"]), encoder.encode(TEXTS[1]))


def test_normalised_vectors_have_length_1(encoder):
    lengths = np.linalg.norm(encoder.encode(TEXTS, normalize=True), axis=1)
    assert np.allclose(lengths, 1, atol=1e-6)


def test_blank_texts_have_no_vector(encoder):
    vectors = encoder.encode(["a b", " ", ""])
    assert np.isfinite(vectors[0]).all() and np.isnan(vectors[1:]).all()
    assert np.isnan(encoder.encode("")).all()


def test_long_texts_are_refused_or_cropped(encoder):
    with pytest.raises(ValueError, match=r"texts\[70\] has .* positions for 16"):
        encoder.encode(["a b"] * 70 + ["a " * 40])
    assert np.isfinite(encoder.encode("a " * 40, crop=True)).all()


def test_bad_settings_are_value_errors(encoder):
    for settings in [{"pooling": "median"}, {"pooling": []}, {"prompt": "query"}]:
        with pytest.raises(ValueError):
            encoder.encode(TEXTS, **settings)


def test_bad_models(translator_path):
    with pytest.raises(attentive.Error, match="family"):
        attentive.Encoder(translator_path)


def test_ctrl_c_ends_the_reading(encoder):
    with interrupted(0.3):
        encoder.encode(TEXTS * 200_000)
    assert encoder.encode(TEXTS).shape == (3, 32)


def test_ctrl_c_ends_the_wait_for_another_thread(encoder):
    other = threading.Thread(target=encoder.encode, args=(TEXTS * 50_000,))
    other.start()
    time.sleep(0.2)
    with interrupted(0.3):
        encoder.encode(TEXTS)
    assert other.is_alive()
    other.join()
