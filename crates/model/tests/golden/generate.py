"""Writes the goldens of attentive-model: PyTorch's layers and stacks with our parameters, by our names.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

D_MODEL, D_FF, HEADS, LAYERS, VOCAB = 6, 7, 2, 2, 11
BATCH, SRC, TGT = 2, 5, 3
LENGTHS = [5, 3]
SMOOTHING = 0.1
# Source and target sentences: <s> is 1, </s> is 2; -1 is padding.
SOURCE = torch.tensor([[4, 9, 3, 7, 2], [8, 5, 2, -1, -1], [6, 3, 10, 2, -1]])
TARGET = torch.tensor([[1, 5, 3, 8, 6, 2], [1, 9, 10, 2, -1, -1], [1, 4, 2, -1, -1, -1]])
WARMUP_STEPS = 4


def shapes_of_layer(prefix: str, decoder: bool) -> dict:
    """Our parameters of a layer: names and shapes."""
    shapes = {}
    for sub_layer in ["self_attention", "cross_attention"] if decoder else ["self_attention"]:
        for part in ["query", "key", "value", "output"]:
            shapes[f"{prefix}{sub_layer}.{part}.weight"] = [D_MODEL, D_MODEL]
            shapes[f"{prefix}{sub_layer}.{part}.bias"] = [D_MODEL]
        shapes |= shapes_of_norm(f"{prefix}{sub_layer}_add_norm.norm")
    shapes[f"{prefix}feed_forward.inner.weight"] = [D_MODEL, D_FF]
    shapes[f"{prefix}feed_forward.inner.bias"] = [D_FF]
    shapes[f"{prefix}feed_forward.outer.weight"] = [D_FF, D_MODEL]
    shapes[f"{prefix}feed_forward.outer.bias"] = [D_MODEL]
    return shapes | shapes_of_norm(f"{prefix}feed_forward_add_norm.norm")


def shapes_of_norm(prefix: str) -> dict:
    return {f"{prefix}.gamma": [D_MODEL], f"{prefix}.beta": [D_MODEL]}


def shapes_of_model(pre_norm: bool) -> dict:
    shapes = {"source_embedding.weight": [VOCAB, D_MODEL]}
    for stack in ["encoder", "decoder"]:
        for n in range(LAYERS):
            shapes |= shapes_of_layer(f"{stack}.layers.{n}.", stack == "decoder")
        if pre_norm:
            shapes |= shapes_of_norm(f"{stack}.norm")
    return shapes


def parameters(shapes: dict, dtype: torch.dtype) -> dict:
    return {name: leaf(named(name, *shape, scale=0.5, offset=float(name.endswith("gamma"))), dtype) for name, shape in shapes.items()}


def torch_layer(ours: dict, prefix: str, decoder: bool) -> dict:
    """PyTorch's parameters of a layer, computed from ours so that gradients flow back."""
    theirs = {}
    attentions = {"self_attention": "self_attn"} | ({"cross_attention": "multihead_attn"} if decoder else {})
    for name, theirs_name in attentions.items():
        part = lambda part: ours[f"{prefix}{name}.{part}"]
        theirs[f"{theirs_name}.in_proj_weight"] = torch.cat([part(f"{p}.weight").T for p in ["query", "key", "value"]])
        theirs[f"{theirs_name}.in_proj_bias"] = torch.cat([part(f"{p}.bias") for p in ["query", "key", "value"]])
        theirs[f"{theirs_name}.out_proj.weight"] = part("output.weight").T
        theirs[f"{theirs_name}.out_proj.bias"] = part("output.bias")
    for theirs_name, name in [("linear1", "inner"), ("linear2", "outer")]:
        theirs[f"{theirs_name}.weight"] = ours[f"{prefix}feed_forward.{name}.weight"].T
        theirs[f"{theirs_name}.bias"] = ours[f"{prefix}feed_forward.{name}.bias"]
    for n, name in enumerate([*attentions, "feed_forward"], start=1):
        theirs |= torch_norm(ours, f"{prefix}{name}_add_norm.norm", f"norm{n}")
    return theirs


def torch_norm(ours: dict, prefix: str, theirs: str) -> dict:
    return {f"{theirs}.weight": ours[f"{prefix}.gamma"], f"{theirs}.bias": ours[f"{prefix}.beta"]}


def make_layer(decoder: bool, pre_norm: bool, activation, dtype: torch.dtype) -> nn.Module:
    make = nn.TransformerDecoderLayer if decoder else nn.TransformerEncoderLayer
    return make(D_MODEL, HEADS, D_FF, 0.0, activation, 1e-5, batch_first=True, norm_first=pre_norm, dtype=dtype)


def padding(lengths: list, width: int) -> torch.Tensor:
    return torch.arange(width) >= torch.tensor(lengths).reshape(-1, 1)


def future(n: int) -> torch.Tensor:
    return torch.ones(n, n, dtype=torch.bool).triu(1)


ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "gelu-tanh": lambda x: F.gelu(x, approximate="tanh")}


def layers() -> list:
    def compute(decoder, pre_norm, activation, dtype):
        layer = make_layer(decoder, pre_norm, ACTIVATIONS[activation], dtype)
        ours = parameters(shapes_of_layer("", decoder), dtype)
        x = leaf(named("x", BATCH, TGT if decoder else SRC, D_MODEL), dtype)
        memory = leaf(named("memory", BATCH, SRC, D_MODEL), dtype)
        theirs = torch_layer(ours, "", decoder)
        if decoder:
            arguments = (x, memory, future(TGT), None, None, padding(LENGTHS, SRC))
        else:
            arguments = (x, None, padding(LENGTHS, SRC))
        y = functional_call(layer, theirs, arguments)
        inputs = {"x": x, "memory": memory} if decoder else {"x": x}
        return {"y": y, **gradients([y], [named("dy", *y.shape).to(dtype)], inputs | ours)}

    return [
        golden(lambda dtype: compute(decoder, pre_norm, activation, dtype), decoder=decoder, pre_norm=pre_norm, activation=activation)
        for decoder in [False, True]
        for pre_norm, activation in [(False, "relu"), (True, "relu"), (False, "gelu"), (True, "gelu-tanh")]
    ]  # fmt: skip


class Model:
    """An encoder–decoder of PyTorch's stacks around our parameters."""

    def __init__(self, pre_norm: bool, dtype: torch.dtype):
        norm = lambda: nn.LayerNorm(D_MODEL, eps=1e-5, dtype=dtype) if pre_norm else None
        layer = lambda decoder: make_layer(decoder, pre_norm, "relu", dtype)
        self.encoder = nn.TransformerEncoder(layer(False), LAYERS, norm(), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(layer(True), LAYERS, norm())
        self.pre_norm, self.dtype = pre_norm, dtype

    def stack(self, ours: dict, name: str, *arguments) -> torch.Tensor:
        theirs = {}
        for n in range(LAYERS):
            layer = torch_layer(ours, f"{name}.layers.{n}.", name == "decoder")
            theirs |= {f"layers.{n}.{key}": value for key, value in layer.items()}
        if self.pre_norm:
            theirs |= torch_norm(ours, f"{name}.norm", "norm")
        return functional_call(getattr(self, name), theirs, arguments)

    def embed(self, ours: dict, tokens: torch.Tensor) -> torch.Tensor:
        x = F.embedding(tokens.clamp(min=0), ours["source_embedding.weight"]) * math.sqrt(D_MODEL)
        angle = torch.arange(tokens.shape[1]).reshape(-1, 1) / 10_000 ** (torch.arange(0, D_MODEL, 2, dtype=torch.float64) / D_MODEL)
        return x + torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).to(self.dtype)

    def logits(self, ours: dict) -> torch.Tensor:
        hidden = SOURCE < 0
        memory = self.stack(ours, "encoder", self.embed(ours, SOURCE), None, hidden)
        target = self.embed(ours, TARGET[:, :-1])
        y = self.stack(ours, "decoder", target, memory, future(target.shape[1]), None, None, hidden)
        return y @ ours["source_embedding.weight"].T

    def losses(self, ours: dict) -> tuple:
        """Divergence from the smoothed targets, and cross-entropy, both summed over targets that are no padding."""
        logits = self.logits(ours)
        wanted = TARGET[:, 1:]
        real = wanted >= 0
        log_p = logits.log_softmax(2)[real]
        smoothed = torch.full_like(log_p, SMOOTHING / VOCAB)
        smoothed[torch.arange(len(log_p)), wanted[real]] += 1 - SMOOTHING
        divergence = F.kl_div(log_p, smoothed, reduction="sum")
        flat = (logits.flatten(0, 1), wanted.flatten())
        cross_entropy = F.cross_entropy(*flat, ignore_index=-1, label_smoothing=SMOOTHING, reduction="sum")
        entropy = -(smoothed * smoothed.log()).sum()
        assert abs(divergence - (cross_entropy - entropy)) < 1e-4  # the same loss but for a constant
        return logits, divergence, F.cross_entropy(*flat, ignore_index=-1, reduction="sum")


def models() -> list:
    """Logits, losses and every gradient."""

    def compute(pre_norm, dtype):
        ours = parameters(shapes_of_model(pre_norm), dtype)
        logits, divergence, nll = Model(pre_norm, dtype).losses(ours)
        real = TARGET[:, :-1] >= 0
        results = {"logits": logits[real], "loss": divergence.reshape(1), "nll": nll.reshape(1)}
        return results | gradients([divergence], [torch.ones((), dtype=dtype)], ours)

    return [golden(lambda dtype: compute(pre_norm, dtype), pre_norm=pre_norm) for pre_norm in [False, True]]


def training() -> list:
    """The loss per target before each of ten updates by Adam with the Noam schedule."""

    def compute(pre_norm, dtype):
        model, ours = Model(pre_norm, dtype), parameters(shapes_of_model(pre_norm), dtype)
        adam = torch.optim.Adam(ours.values(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
        noam = lambda done: 0.1 * D_MODEL**-0.5 * min((done + 1) ** -0.5, (done + 1) * WARMUP_STEPS**-1.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(adam, noam)
        losses = []
        for _ in range(10):
            _, divergence, _ = model.losses(ours)
            loss = divergence / (TARGET[:, 1:] >= 0).sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            losses.append(loss.detach())
        return {f"loss {step}": loss.reshape(1) for step, loss in enumerate(losses, start=1)}

    return [golden(lambda dtype: compute(pre_norm, dtype), pre_norm=pre_norm) for pre_norm in [False, True]]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for make in [layers, models, training]:
        write(out / f"{make.__name__}.json", make())
