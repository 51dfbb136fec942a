"""Writes the goldens of the reader of GGUF files: small files of the package gguf, and what is in them.

    pip install -r requirements-gguf.txt && python generate_gguf.py OUT_DIR
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFEndian, GGUFReader, GGUFValueType as Type, GGUFWriter, GGMLQuantizationType as Kind
from gguf.quants import dequantize, quantize

SCALARS = [
    (Type.UINT8, 200),
    (Type.INT8, -100),
    (Type.UINT16, 60_000),
    (Type.INT16, -30_000),
    (Type.UINT32, 4_000_000_000),
    (Type.INT32, -2_000_000_000),
    (Type.UINT64, 2**63),
    (Type.INT64, -(2**62)),
    (Type.FLOAT32, 0.25),
    (Type.FLOAT64, -1e300),
    (Type.BOOL, True),
    (Type.STRING, "straße"),
]


def tensors() -> dict[str, tuple[Kind, list[int], np.ndarray]]:
    """Kind, row-major shape and bytes of each tensor."""
    rng = np.random.default_rng(7)
    floats = rng.normal(size=(3, 64)).astype(np.float32)
    made = {
        "f32": (Kind.F32, [5], floats[0, :5].view(np.uint8)),
        "f16": (Kind.F16, [2, 1, 3], floats[:2, :3].astype(np.float16).view(np.uint8)),
    }
    for kind in [Kind.BF16, Kind.Q4_0, Kind.Q8_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1]:
        made[kind.name.lower()] = (kind, [3, 64], quantize(floats, kind))
    made["iq4_nl"] = (Kind.IQ4_NL, [2, 32], rng.integers(0, 120, (2, 18), dtype=np.uint8))
    # The last one is of a kind that is read here, so that a file cut within it is seen to be.
    large = [(Kind.TQ1_0, 54), (Kind.Q2_K, 84), (Kind.Q3_K, 110), (Kind.Q4_K, 144), (Kind.Q5_K, 176), (Kind.Q6_K, 210), (Kind.IQ4_XS, 136)]
    for kind, n_bytes in large:
        # Bytes of any value but those of the scales, which must be numbers.
        raw = rng.integers(0, 256, (2, n_bytes), dtype=np.uint8)
        for at in {Kind.Q2_K: [80, 82], Kind.Q3_K: [108], Kind.Q6_K: [208], Kind.IQ4_XS: [0], Kind.TQ1_0: [52]}.get(kind, [0, 2]):
            raw[:, at : at + 2] = rng.normal(size=(2, 1)).astype(np.float16).view(np.uint8)
        made[kind.name.lower()] = (kind, [2, 256], raw)
    return made


def write(path: Path, alignment: int | None = None, endian: GGUFEndian = GGUFEndian.LITTLE) -> None:
    writer = GGUFWriter(path, "test", endianess=endian)
    if alignment:
        writer.add_custom_alignment(alignment)
    for kind, value in SCALARS:
        name = kind.name.lower()
        writer.add_key_value(f"test.{name}", value, kind)
        writer.add_key_value(f"test.{name}s", [value, value, value], Type.ARRAY, sub_type=kind)
    writer.add_array("test.nested", [[1, 2], [3]])
    for name, (kind, shape, raw) in tensors().items():
        raw = np.ascontiguousarray(raw)
        writer.add_tensor(name, raw.reshape(-1), raw_shape=[*shape[:-1], raw.size // int(np.prod(shape[:-1]))], raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    out = Path(sys.argv[1])
    write(out / "little.gguf")
    write(out / "aligned.gguf", alignment=64)
    write(out / "big.gguf", endian=GGUFEndian.BIG)
    # Version 2 differs in its number alone.
    bytes_3 = (out / "little.gguf").read_bytes()
    (out / "version_2.gguf").write_bytes(bytes_3[:4] + struct.pack("<I", 2) + bytes_3[8:])
    contents = []
    for tensor in GGUFReader(out / "little.gguf").tensors:
        kind, shape, raw = tensors()[tensor.name]
        assert tensor.tensor_type == kind and tensor.data.tobytes() == raw.tobytes()
        assert list(tensor.shape)[::-1] == shape
        content = {"name": tensor.name, "kind": kind.name, "shape": shape, "bytes": raw.tobytes().hex()}
        content["values"] = dequantize(raw.reshape(1, -1), kind).ravel().astype(float).tolist()
        contents.append(content)
    lines = (json.dumps(content, separators=(",", ":")) for content in contents)
    (out / "gguf.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
