"""CTranslate2's side of `cargo xtask bench decode`: the same weights, sources and forced lengths.

Usage: translate.py MODEL SOURCES BEAM BATCH LEN THREADS, where MODEL is what convert_ctranslate2.py wrote, whose tokens
are named by their ids, and SOURCES a file of rows of ids.
"""

import json
import sys

import ctranslate2

from worker import serve


def main():
    model, path, beam, batch, length, threads = sys.argv[1:]
    translator = ctranslate2.Translator(model, device="cpu", inter_threads=1, intra_threads=int(threads))
    with open(path) as file:
        sources = [[str(id) for id in source] for source in json.load(file)]

    def run_round():
        results = translator.translate_batch(
            sources, beam_size=int(beam), max_batch_size=int(batch), length_penalty=0,
            min_decoding_length=int(length), max_decoding_length=int(length))
        targets = [[int(token) for token in result.hypotheses[0]] for result in results]
        return sum(map(len, targets)), {"targets": targets}

    serve({"ctranslate2": ctranslate2.__version__, "compute_type": translator.compute_type}, run_round)


main()
