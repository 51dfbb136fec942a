"""The peers' side of `cargo xtask bench embed`: the same weights and ids; a row's vector is the mean of its tokens'.

Usage: encode.py ctranslate2|onnx MODEL IDS THREADS, where MODEL is what the peer's converter wrote and IDS a file of
rows. They are sorted by length and read 32 at a time, as sentence-transformers does.
"""

import json
import sys

import numpy as np

from worker import serve

BATCH = 32


def with_ctranslate2(model, threads):
    import ctranslate2

    encoder = ctranslate2.Encoder(model, device="cpu", inter_threads=1, intra_threads=threads)

    def hidden(rows):
        return np.array(encoder.forward_batch(rows).last_hidden_state)

    return {"ctranslate2": ctranslate2.__version__, "compute_type": encoder.compute_type}, hidden


def with_onnx(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(f"{model}/model.onnx", options, providers=["CPUExecutionProvider"])

    def hidden(rows):
        mask = np.arange(max(map(len, rows))) < np.array([[len(row)] for row in rows])
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = np.concatenate(rows)
        return session.run(None, {"input_ids": ids, "attention_mask": mask.astype(np.int64)})[0]

    return {"onnxruntime": onnxruntime.__version__}, hidden


def main():
    peer, model, path, threads = sys.argv[1:]
    with open(path) as file:
        rows = json.load(file)
    about, hidden = {"ctranslate2": with_ctranslate2, "onnx": with_onnx}[peer](model, int(threads))
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))

    def run_round():
        vectors = [None] * len(rows)
        for first in range(0, len(order), BATCH):
            batch = order[first:first + BATCH]
            for at, vector in zip(batch, hidden([rows[at] for at in batch])):
                vectors[at] = vector[:len(rows[at])].mean(0)
        return len(rows), lambda: {"vectors": [vector.tolist() for vector in vectors]}

    serve(about, run_round)


main()
