"""Writes the goldens of Whisper: a tiny model of transformers with its tokenizer, what it computes, writes, and makes of a
recording that is longer than its window.

    pip install -r requirements.txt && python generate_whisper.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import numpy
import torch
from ctranslate2.converters import TransformersConverter
from generate import rounded
from safetensors.torch import save_file
from tokenizers import AddedToken
from transformers import (
    GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperProcessor,
    WhisperTokenizer,
)  # fmt: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)

# One second of sound is 100 frames and 50 positions of the encoder.
POSITIONS = 50
# A mean log-probability that some windows do not have.
LIKELY = -2.75
TEXTS = ["the animal was tired", " too  wide.", " Straße ☃", ""]


def tokenizer(folder: Path) -> WhisperTokenizer:
    """A byte-level BPE of all bytes and a few merges, then the tokens that steer, in Whisper's order."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printed}
    rest = [byte for byte in range(256) if byte not in letters]
    letters |= {byte: chr(256 + n) for n, byte in enumerate(rest)}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "n"), ("w", "a"), ("Ġ", "wa"), ("e", "e")]
    tokens = [*(letters[byte] for byte in [*printed, *rest]), *(a + b for a, b in merges)]
    steering = [
        "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
        "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *(f"<|{n * 0.02:.2f}|>" for n in range(POSITIONS + 1)),
    ]  # fmt: skip
    whisper = WhisperTokenizer(vocab={token: n for n, token in enumerate(tokens)}, merges=merges)
    special = lambda name: AddedToken(name, special=not name[2].isdigit(), normalized=False)
    whisper.add_tokens([special(name) for name in steering])
    return whisper


def model(folder: Path, whisper: WhisperTokenizer) -> WhisperForConditionalGeneration:
    """A model of transformers with weights by formula, as a user saves and loads it."""
    id_of = whisper.convert_tokens_to_ids
    end, start = id_of("<|endoftext|>"), id_of("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=len(whisper), num_mel_bins=10, d_model=8, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=12,
        decoder_ffn_dim=12, encoder_attention_heads=2, decoder_attention_heads=2, max_source_positions=POSITIONS,
        max_target_positions=40, pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=start,
        suppress_tokens=[], begin_suppress_tokens=None, architectures=["WhisperForConditionalGeneration"],
    )  # fmt: skip
    tiny = WhisperForConditionalGeneration(config).eval()
    # So that what is written differs from place to place.
    scale = lambda name: 3.0 if "decoder.embed_positions" in name else 1.0 if "embed" in name else 0.7
    state = {
        name: named(name, *tensor.shape, scale=scale(name), offset=float("norm.weight" in name)).float()
        for name, tensor in tiny.state_dict().items()
        if name != "proj_out.weight"
    }
    state["model.encoder.embed_positions.weight"] = tiny.model.encoder.embed_positions.weight.detach().clone()
    missing, unexpected = tiny.load_state_dict(state, strict=False)
    assert not unexpected and missing == ["proj_out.weight"], (missing, unexpected)
    tiny.tie_weights()
    tiny.generation_config = GenerationConfig(
        decoder_start_token_id=start, eos_token_id=end, pad_token_id=end, bos_token_id=end, is_multilingual=True,
        lang_to_id={"<|en|>": id_of("<|en|>"), "<|de|>": id_of("<|de|>")},
        task_to_id={"transcribe": id_of("<|transcribe|>"), "translate": id_of("<|translate|>")},
        no_timestamps_token_id=id_of("<|notimestamps|>"), prev_sot_token_id=id_of("<|startofprev|>"),
        suppress_tokens=[1, 2, 7, id_of("<|startoflm|>"), id_of("<|startofprev|>"), id_of("<|nospeech|>")],
        begin_suppress_tokens=[220, end], max_initial_timestamp_index=20, max_length=40, return_timestamps=False,
    )  # fmt: skip
    tiny.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    extractor = WhisperFeatureExtractor(feature_size=10, chunk_length=1)
    WhisperProcessor(extractor, whisper).save_pretrained(folder)
    return WhisperForConditionalGeneration.from_pretrained(folder).eval()


def sound(name: str, n: int) -> numpy.ndarray:
    """Noise that halves every 4,000 samples, five times, and begins anew: exact in f32."""
    return (named(name, n).numpy() * 2.0 ** -(numpy.arange(n) // 4000 % 5)).astype(numpy.float32)


def whisper_times(processor: WhisperProcessor) -> int:
    """The first token of time."""
    return processor.tokenizer.convert_tokens_to_ids("<|notimestamps|>") + 1


def computed(folder: Path, tiny: WhisperForConditionalGeneration, processor: WhisperProcessor) -> None:
    """Logits, and what is written with and without times."""
    sounds = [sound("first", 16_000), sound("second", 12_000)]
    features = processor.feature_extractor(sounds, sampling_rate=16_000, return_tensors="pt").input_features
    start = tiny.config.decoder_start_token_id
    target = torch.tensor([[start, start + 1, start + 4, start + 8, 84, 104, 4], [start, start + 2, start + 3, 9, 11, 300, 200]])
    target[target >= len(processor.tokenizer)] = 5
    first_time = whisper_times(processor)
    without_times = [*tiny.generation_config.suppress_tokens, *range(first_time, len(processor.tokenizer))]
    with torch.no_grad():
        logits = tiny(input_features=features, decoder_input_ids=target).logits
        generated = {
            key: tiny.generate(features, do_sample=False, num_beams=1, **settings).tolist()
            for key, settings in {
                "plain": {"language": "de", "task": "transcribe", "suppress_tokens": without_times},
                "translated": {"language": "en", "task": "translate", "suppress_tokens": without_times},
                "timed": {"language": "de", "task": "transcribe", "return_timestamps": True},
            }.items()
        }
        detected = tiny.detect_language(features).tolist()
    case = {
        "sounds": [["first", 16_000], ["second", 12_000]], "target": target.tolist(), "generated": generated,
        "detected": detected, "tensors": {"logits": rounded(logits[:, -2:])},
    }  # fmt: skip
    write(folder / "logits.json", [case])


def long_form(folder: Path, tiny: WhisperForConditionalGeneration, processor: WhisperProcessor) -> None:
    """Segments of recordings of several windows, up to the last second: a window that outlasts its recording is filled up with
    zeros there, which are not silence, and here with silence, as the authors' own program has it."""
    cases = []
    for name, n, settings in [
        ("long", 56_000, {"condition_on_prev_tokens": False}),
        ("long", 56_000, {"condition_on_prev_tokens": True}),
        ("longer", 90_000, {"condition_on_prev_tokens": False, "logprob_threshold": LIKELY, "no_speech_threshold": 0.0}),
        ("longest", 120_000, {"condition_on_prev_tokens": True, "logprob_threshold": -9.0, "no_speech_threshold": 0.6}),
    ]:
        inputs = processor.feature_extractor(
            sound(name, n), sampling_rate=16_000, return_tensors="pt", truncation=False, padding="longest",
            return_attention_mask=True,
        )  # fmt: skip
        with torch.no_grad():
            found = tiny.generate(
                **inputs, language="de", task="transcribe", return_timestamps=True, return_segments=True, do_sample=False,
                num_beams=1, temperature=0.0, **settings,
            )  # fmt: skip
        until = n / 16_000 - 1
        segments = [
            {"start": round(float(segment["start"]), 6), "end": round(float(segment["end"]), 6), "tokens": segment["tokens"].tolist()}
            for segment in found["segments"][0]
            if segment["start"] < until
        ]
        cases.append({"sound": [name, n], "until": until, "settings": settings, "segments": segments})
    write(folder / "long.json", cases)


def tokens(folder: Path, processor: WhisperProcessor) -> None:
    ids = [processor.tokenizer(text)["input_ids"] for text in TEXTS]
    bare = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    decoded = [processor.tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    write(folder / "tokens.json", [{"texts": TEXTS, "ids": bare, "decoded": decoded}])


if __name__ == "__main__":
    folder = Path(sys.argv[1]) / "whisper"
    folder.mkdir(exist_ok=True)
    tiny = model(folder, tokenizer(folder))
    processor = WhisperProcessor.from_pretrained(folder)
    computed(folder, tiny, processor)
    tokens(folder, processor)
    long_form(folder, tiny, processor)
    # By CTranslate2's own converter.
    converter = TransformersConverter(str(folder), copy_files=["tokenizer.json"])
    converter.convert(str(folder.parent / "ctranslate2-whisper"), force=True)
