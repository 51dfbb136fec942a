"""Writes the goldens of sound: spectrograms of WhisperFeatureExtractor, and small files with the samples that libsndfile reads.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import sys
from pathlib import Path

import numpy
import soundfile
import torch
from transformers import WhisperFeatureExtractor

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)

# Frames that are kept: both ends, where samples are reflected, and some between.
KEPT = [0, 1, 2, 25, 50, 74, 75, 76, 97, 98, 99]


def sound(n: int) -> numpy.ndarray:
    """Noise that halves every 1,000 samples, with nothing in the third quarter: exact in f32."""
    noise = named("sound", n).numpy()
    at = numpy.arange(n)
    quiet = (at >= n // 2) & (at < 3 * n // 4)
    return (noise * 2.0 ** -(at // 1000) * ~quiet).astype(numpy.float32)


def spectrograms(out: Path) -> None:
    cases = []
    for n_mels in [80, 128]:
        for n_samples in [16_000, 9_000, 20_000]:
            extractor = WhisperFeatureExtractor(feature_size=n_mels, chunk_length=1)
            samples = sound(n_samples)
            window = extractor(samples, sampling_rate=16_000, return_tensors="np")["input_features"][0].T
            padded = numpy.pad(samples[:16_000], (0, max(0, 16_000 - n_samples)))
            # With f64 inside, where the usual way has f32.
            exact = extractor._np_extract_fbank_features(padded[None], "cpu")[0].T
            kept = lambda frames: [float(f"{value:.9g}") for value in frames[KEPT].reshape(-1).tolist()]
            cases.append({
                "n_mels": n_mels, "n_samples": n_samples, "frames": KEPT, "f32_error": float(abs(window - exact).max()),
                "tensors": {"features": kept(exact)},
            })  # fmt: skip
    write(out / "spectrograms.json", cases)


def files(out: Path) -> None:
    """Files of every kind, and what libsndfile reads of them."""
    cases = []
    at = numpy.arange(2205) / 11_025
    tone = 0.5 * numpy.sin(2 * numpy.pi * 440 * at) * numpy.exp(-4 * at)
    stereo = numpy.stack([tone, 0.25 * numpy.sin(2 * numpy.pi * 660 * at)], 1)
    kinds = [
        ("u8.wav", "PCM_U8", tone), ("s16.wav", "PCM_16", stereo), ("s24.wav", "PCM_24", tone), ("s32.wav", "PCM_32", tone),
        ("f32.wav", "FLOAT", tone), ("f64.wav", "DOUBLE", tone), ("alaw.wav", "ALAW", tone), ("ulaw.wav", "ULAW", tone),
        ("ima.wav", "IMA_ADPCM", tone), ("s16.flac", "PCM_16", stereo), ("vorbis.ogg", "VORBIS", tone), ("tone.mp3", "MPEG_LAYER_III", tone),
    ]  # fmt: skip
    for name, subtype, samples in kinds:
        soundfile.write(out / name, samples, 11_025, subtype=subtype)
        read, rate = soundfile.read(out / name, dtype="float32", always_2d=True)
        mono = read.mean(1)[:2205:7]
        cases.append({
            "file": name, "rate": rate, "n": len(read), "every": 7,
            "tensors": {"samples": [float(f"{value:.7g}") for value in mono.tolist()]},
        })  # fmt: skip
    write(out / "files.json", cases)


if __name__ == "__main__":
    spectrograms(Path(sys.argv[1]))
    files(Path(sys.argv[1]))
