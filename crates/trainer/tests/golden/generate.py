"""Writes step-00000006: a checkpoint as attentive 0.1 wrote it before checkpoints named their optimizer.

Two parameters in one tensor, `w`, and Adam's moments of them; the state is that of the run of `common::config(9)` after
6 updates, with numbers made up here. A second writer of both formats: safetensors (8 bytes of length, a header in JSON,
little-endian values) and the manifest of sizes and SHA-256.

Run: python3 generate.py OUT_DIR
"""

import hashlib
import json
import pathlib
import struct
import sys

STATE = """\
step = 6
n_updates = 6
n_targets = 24
validated_step = 4
best = [-1.25, 4]
scheduled = [3, 6]

[position]
epoch = 4
batch_idx = 0

[divergence]
n_skipped = 0
n_bad = 0
n_rollbacks = 0
lr_scale = 1.0
n_losses = 6
mean = 4.5
variance = 0.25

[early_stopping]
n_stale = 0
"""


def safetensors(tensors):
    header, data = {}, b""
    for name, values in sorted(tensors.items()):
        start = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [start, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main(out):
    folder = out / "step-00000006"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "model.safetensors": safetensors({"w": [0.75, -0.5]}),
        "optimizer.safetensors": safetensors({"w.first": [0.125, -0.25], "w.second": [0.5, 0.0625]}),
        "state.toml": STATE.encode(),
    }
    manifest = "format = 2\n\n"
    for name, content in sorted(files.items()):
        manifest += f'[files."{name}"]\nn_bytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n\n'
    files["manifest.toml"] = manifest.rstrip("\n").encode() + b"\n"
    files["clock.toml"] = b"elapsed_seconds = 1.5\n"
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
