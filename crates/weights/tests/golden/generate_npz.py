"""Writes the goldens of the reader of .npz files: small archives of NumPy, and what is in them.

    pip install -r requirements-npz.txt && python generate_npz.py OUT_DIR
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np


def arrays() -> dict:
    floats = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8 - 1
    made = {f"kind {kind}": np.array([[0, 1, 2], [100, 3, 1]], dtype=kind) for kind in
            ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"]}  # fmt: skip
    return made | {
        "rows": floats,
        "columns": np.asfortranarray(floats),
        "columns of a matrix": np.asfortranarray(floats[0]),
        "a number": np.float32(2.5),
        "one axis": floats[0, 0],
        "nothing": np.zeros((0, 3), dtype=np.float32),
        "zeros": np.zeros((40, 5), dtype=np.float32),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    np.savez(out / "stored.npz", **arrays())
    np.savez_compressed(out / "deflated.npz", **arrays())
    with zipfile.ZipFile(out / "others.npz", "w") as archive:
        for version in [(1, 0), (2, 0), (3, 0)]:
            with archive.open(f"version {version[0]}.npy", "w") as file:
                np.lib.format.write_array(file, np.arange(3, dtype=np.float32), version=version)
        for name, array in [("big", np.arange(3, dtype=">f4")), ("complex", np.zeros(2, dtype=np.complex64)),
                            ("fields", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))]:  # fmt: skip
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
        archive.writestr("text.txt", "no array")
        archive.writestr("other.npy", "no array")
    content = [
        {"name": name, "shape": list(np.shape(array)), "values": np.asarray(array, dtype=np.float64).reshape(-1).tolist()}
        for name, array in arrays().items()
    ]
    (out / "npz.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in content) + "\n]\n")
