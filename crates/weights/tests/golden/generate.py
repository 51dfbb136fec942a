"""Writes the goldens of attentive-weights: checkpoints of PyTorch in both of its layouts, and what is in them.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import io
import json
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import torch


class Unknown:
    """What a state dictionary has no business to hold: unpickling it would call a function of the writer's choice."""

    def __reduce__(self):
        return os.getenv, ("HOME",)


def state() -> OrderedDict:
    values = torch.arange(60, dtype=torch.float64) / 8 - 3
    table = values[:30].reshape(5, 6).float()
    tensors = OrderedDict(
        f64=values[:7],
        f32=table,
        f16=values[:12].reshape(3, 4).half(),
        bf16=values[:12].reshape(3, 4).bfloat16(),
        i64=torch.arange(-3, 4),
        u8=torch.tensor([0, 7, 255], dtype=torch.uint8),
        transposed=table.T,
        part=table[1:4, 2:5],
        parameter=torch.nn.Parameter(table[0].clone()),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        tied=table,
    )
    tensors["encoder.layers.0.gewicht"] = torch.ones(2, 1, 3)
    return tensors


def save_pickles(tensors: OrderedDict, path: Path) -> None:
    """What torch.save wrote before PyTorch 1.6: it names storages by their address, here by their turn."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, torch.storage.TypedStorage):
                return None
            storage = item._untyped_storage
            key, _ = storages.setdefault(storage._cdata, (str(len(storages)), storage))
            n_values = storage.nbytes() // item._element_size()
            return ("storage", getattr(torch, item._pickle_storage_type()), key, "cpu", n_values, None)

    file = io.BytesIO()
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for header in [0x1950A86A20F9469CFC6C, 1001, sizes]:
        pickle.dump(header, file, protocol=2)
    Pickler(file, protocol=2).dump(tensors)
    pickle.dump([key for key, _ in storages.values()], file, protocol=2)
    widths = {tensor.untyped_storage()._cdata: tensor.element_size() for tensor in tensors.values()}
    for address, (_, storage) in storages.items():
        file.write(struct.pack("<q", storage.nbytes() // widths[address]) + bytes(storage.tolist()))
    path.write_bytes(file.getvalue())
    loaded = torch.load(path)
    assert list(loaded) == list(tensors) and all(torch.equal(loaded[name], tensors[name]) for name in tensors)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    tensors = state()
    torch.save(tensors, out / "archive.bin")
    save_pickles(tensors, out / "pickles.bin")
    torch.save(OrderedDict(unknown=Unknown()), out / "unknown.bin")
    contents = [
        {"name": name, "shape": list(tensor.shape), "values": tensor.detach().double().flatten().tolist()}
        for name, tensor in tensors.items()
    ]
    lines = (json.dumps(content, separators=(",", ":")) for content in contents)
    (out / "tensors.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
