"""faster-whisper's side of `cargo xtask bench transcribe`: the same weights and recording.

Usage: transcribe.py MODEL RECORDING f32|int8 BEAM THREADS, where MODEL is a Whisper in CTranslate2's form.
"""

import sys
import time

import ctranslate2
from faster_whisper import WhisperModel, decode_audio

from worker import serve


def main():
    model, recording, precision, beam, threads = sys.argv[1:]
    compute_type = {"f32": "float32", "int8": "int8"}[precision]
    model = WhisperModel(model, device="cpu", compute_type=compute_type, cpu_threads=int(threads))
    rate = model.feature_extractor.sampling_rate
    samples = decode_audio(recording, sampling_rate=rate)

    def run_round():
        before = time.process_time()
        # Every window is written once, and by itself.
        segments, _ = model.transcribe(
            samples, language="en", beam_size=int(beam), temperature=0.0, condition_on_previous_text=False)
        text = "".join(segment.text for segment in segments).strip()
        return len(samples) / rate, {"cpu_seconds": time.process_time() - before, "text": text}

    serve({"ctranslate2": ctranslate2.__version__, "compute_type": compute_type}, run_round)


main()
