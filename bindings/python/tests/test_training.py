"""Training."""

import json

import attentive
import numpy as np
import pytest
from interrupting import interrupted


def train(folder, runs, **settings):
    return attentive.train(folder / "copy.toml", runs=runs, **settings)


def test_events_are_those_of_the_log(folder, tmp_path):
    events = []
    run = train(folder, tmp_path, settings={"training.steps": 40, "training.validate_every": 20},
                on_event=events.append)
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    said = [event for event in events if event["event"] in ("log", "warning")]
    assert [event for event in events if event not in said] == logged
    assert [event["step"] for event in logged if event["event"] == "validation"] == [20, 40]
    assert any(event["text"].startswith("model ") for event in said)


def test_the_command_trains_the_same(folder, tmp_path, translator_path, command):
    command("train", folder / "copy.toml", "--runs", tmp_path)
    ours, theirs = translator_path / "model.safetensors", tmp_path / "copy-1" / "model.safetensors"
    assert ours.read_bytes() == theirs.read_bytes()


def test_settings_are_toml(folder, tmp_path):
    settings = {
        "name": 'a "name" of 東京',
        "training.steps": 2,
        "training.clip_norm": np.float32(0.5),
        "training.seed": np.int64(3),
        "model.tie_projection": np.bool_(False),
        "schedule": {"kind": "noam", "warmup_steps": 7},
        "data.train.tsv": [folder / "pairs.tsv", str(folder / "pairs.tsv")],
        "evaluation.bleu_sentences": 0,
    }
    run = train(folder, tmp_path, settings=settings)
    text = (run / "config.toml").read_text()
    assert run.name == 'a "name" of 東京-1'
    for part in ["clip_norm = 0.5", "warmup_steps = 7", "steps = 2"]:
        assert part in text
    assert text.count("pairs.tsv") == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"training.setps": 3}, "did you mean `steps`"),
        ({"training.steps": "many"}, "must be an integer"),
        ({"training.steps": None}, "leave it out"),
        ({"training.steps": -1}, "training.steps"),
        ({"model.n_heads": 5}, "not divisible"),
        ({"model.d_model": 1 << 70}, "model.d_model"),
    ],
)
def test_bad_settings_are_value_errors(folder, tmp_path, settings, says):
    with pytest.raises(ValueError, match=says):
        train(folder, tmp_path / "runs", settings=settings)
    assert not (tmp_path / "runs").exists()


def test_errors(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.toml"):
        attentive.train(tmp_path / "nothing.toml", runs=tmp_path)
    with pytest.raises(FileNotFoundError, match="nothing.tsv"):
        train(folder, tmp_path, settings={"data.train.tsv": tmp_path / "nothing.tsv"})
    with pytest.raises(TypeError):
        train(folder, tmp_path, settings={"training.steps": object()})
    for value in [np.array([1, 2]), np.longdouble(1)]:
        with pytest.raises(TypeError, match="training.steps is of the type"):
            train(folder, tmp_path, settings={"training.steps": value})
    with pytest.raises(FileNotFoundError, match="no run"):
        attentive.resume(tmp_path / "nothing")


def test_memory_decides_on_a_batch_that_is_auto(folder, tmp_path):
    settings = {"training.steps": 1, "evaluation.bleu_sentences": 0, "batch.max_tokens": "auto"}
    said = []
    train(folder, tmp_path, settings=settings, memory="8GiB", on_event=said.append)
    assert any("is the most that fits" in event.get("text", "") for event in said)
    with pytest.raises(ValueError, match="--memory"):
        train(folder, tmp_path, settings=settings)
    for memory in [1, "1MiB"]:
        with pytest.raises(ValueError, match="--memory"):
            train(folder, tmp_path, settings=settings, memory=memory)
    with pytest.raises(ValueError, match="not a unit"):
        train(folder, tmp_path, memory="much")


def test_a_run_stops_where_it_is_told_and_goes_on(folder, tmp_path, translator_path):
    seen = []

    def on_event(event):
        if event["event"] == "step":
            seen.append(event["step"])
            if event["step"] == 33:
                raise attentive.StopTraining
        return False  # means nothing

    run = train(folder, tmp_path, on_event=on_event)
    assert seen == list(range(1, 34)) and not (run / "model.safetensors").exists()
    with pytest.raises(attentive.Error, match="not finished"):
        attentive.Translator(run)
    assert attentive.resume(run, on_event=on_event_after(33)) == run
    assert (run / "model.safetensors").read_bytes() == (translator_path / "model.safetensors").read_bytes()


def on_event_after(first):
    def on_event(event):
        assert event["event"] != "step" or event["step"] > first

    return on_event


def test_an_exception_of_on_event_comes_back(folder, tmp_path):
    def on_event(event):
        if event["event"] == "step" and event["step"] == 7:
            raise LookupError("step 7")

    with pytest.raises(LookupError, match="step 7"):
        train(folder, tmp_path, on_event=on_event)
    assert attentive.resume(tmp_path / "copy-1", settings={"training.steps": 20}).name == "copy-1"


def test_ctrl_c_saves_and_stops(folder, tmp_path):
    with interrupted(1.0):
        train(folder, tmp_path, settings={"training.steps": 20_000})
    steps = [checkpoint.name for checkpoint in (tmp_path / "copy-1" / "checkpoints").iterdir()]
    logged = (tmp_path / "copy-1" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(logged[-1])["step"]
    assert any(str(last) in step for step in steps)
    resumed = attentive.resume(tmp_path / "copy-1", settings={"training.steps": last + 3})
    assert attentive.Translator(resumed).translate("ab")
