"""Writes the goldens of attentive-weights: checkpoints of PyTorch in both of its layouts, and what is in them.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import argparse
import io
import json
import os
import pickle
import struct
import sys
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import torch


class Unknown:
    """What a state dictionary has no business to hold: unpickling it would call a function of the writer's choice."""

    def __reduce__(self):
        return os.getenv, ("HOME",)


class Field:
    """An object of a class that no reader knows."""

    def __init__(self, name: str):
        self.name, self.itos = name, ["<unk>", "straße"]


class Slots:
    """An object whose state is of two parts."""

    __slots__ = ["inner"]


class Words(list):
    """A kind of list."""


def training(tensors: OrderedDict) -> dict:
    """What a training program saves: settings of every kind, a vocabulary, weights, a projection of its own."""
    slots = Slots()
    slots.inner = 3
    counts = defaultdict(int)
    counts["a"] = 2
    args = argparse.Namespace(
        arch="transformer", encoder_layers=6, dropout=0.1, share=True, tied=False, path=None, big=2**40, huge=2**80,
        negative=-300, cutoff=[1, 2.5, "x"], betas=(0.9, 0.98), nested={"embed_dim": 8, 3: "three"}, kinds={1}, raw=b"\0\xff",
    )  # fmt: skip
    field = Field("src")
    args.itself = args
    return {
        "args": args, "vocab": {"src": field, "fields": [("src", field)], "words": Words(["a", "b"])}, "slots": slots,
        "counts": counts, "counter": Counter("aab"), "call": Unknown(), "surrogate": "\ud800", "model": tensors,
        "generator": OrderedDict({"0.weight": tensors["f32"], "0.bias": tensors["f64"]}), "optim": {"step": torch.tensor(3)},
    }  # fmt: skip


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


def save_pickles(saved: dict, path: Path) -> None:
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
    Pickler(file, protocol=2).dump(saved)
    pickle.dump([key for key, _ in storages.values()], file, protocol=2)
    tensors = saved.get("model", saved)
    widths = {tensor.untyped_storage()._cdata: tensor.element_size() for tensor in tensors.values()}
    widths |= {tensor.untyped_storage()._cdata: 8 for tensor in saved.get("optim", {}).values()}
    for address, (_, storage) in storages.items():
        file.write(struct.pack("<q", storage.nbytes() // widths[address]) + bytes(storage.tolist()))
    path.write_bytes(file.getvalue())
    loaded = torch.load(path, weights_only=saved is tensors)
    loaded = loaded.get("model", loaded)
    assert list(loaded) == list(tensors) and all(torch.equal(loaded[name], tensors[name]) for name in tensors)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    tensors = state()
    torch.save(tensors, out / "archive.bin")
    save_pickles(tensors, out / "pickles.bin")
    torch.save(OrderedDict(unknown=Unknown()), out / "unknown.bin")
    torch.save(training(tensors), out / "training.bin")
    save_pickles(training(tensors), out / "training_pickles.bin")
    contents = [
        {"name": name, "shape": list(tensor.shape), "values": tensor.detach().double().flatten().tolist()}
        for name, tensor in tensors.items()
    ]
    lines = (json.dumps(content, separators=(",", ":")) for content in contents)
    (out / "tensors.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
