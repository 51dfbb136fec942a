"""Writes rnn.json: encoder–decoders of PyTorch's recurrent layers and cells with our parameters, by our names.

    pip install -r requirements.txt && python generate_rnn.py OUT_DIR
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

VOCAB, D_EMBEDDING, D_HIDDEN, D_ATTENTION = 7, 4, 3, 5
SMOOTHING = 0.1
# Source and target sentences: <s> is 1, </s> is 2; -1 is padding.
SOURCE = torch.tensor([[4, 3, 6, 2], [5, 2, -1, -1], [6, 3, 2, -1]])
LENGTHS = (SOURCE >= 0).sum(1)
TARGET = torch.tensor([[1, 5, 3, 6, 2], [1, 4, 2, -1, -1], [1, 3, 6, 2, -1]])
# How PyTorch orders the gates, by their places in ours: i f o g, and r z n as there.
GATES = {"lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}


class Case:
    """Sizes of a model, and its parameters."""

    def __init__(self, cell: str, layers: int, bidirectional: bool):
        self.cell, self.layers, self.directions = cell, layers, ["forward", "backward"][: 1 + bidirectional]
        self.d_gates = len(GATES[cell]) * D_HIDDEN
        self.d_annotation = len(self.directions) * D_HIDDEN

    def shapes(self) -> dict:
        shapes = {f"{name}.weight": [VOCAB, D_EMBEDDING] for name in ["source_embedding", "target_embedding", "projection"]}
        for n in range(self.layers):
            for direction in self.directions:
                shapes |= self.shapes_of_cell(f"encoder.layers.{n}.{direction}", self.d_annotation if n else D_EMBEDDING)
            shapes |= self.shapes_of_cell(f"decoder.cells.{n}", D_HIDDEN if n else D_EMBEDDING)
        d_readout = D_HIDDEN + self.d_annotation + D_EMBEDDING
        return shapes | {
            "decoder.bridge.weight": [D_HIDDEN, self.layers * D_HIDDEN],
            "decoder.bridge.bias": [self.layers * D_HIDDEN],
            "decoder.attention.query.weight": [D_HIDDEN, D_ATTENTION],
            "decoder.attention.key.weight": [self.d_annotation, D_ATTENTION],
            "decoder.attention.score": [D_ATTENTION, 1],
            "decoder.context.weight": [self.d_annotation, self.d_gates],
            "decoder.readout.weight": [d_readout, D_EMBEDDING],
            "decoder.readout.bias": [D_EMBEDDING],
        }

    def shapes_of_cell(self, prefix: str, d_in: int) -> dict:
        shapes = {f"{prefix}.input.weight": [d_in, self.d_gates], f"{prefix}.input.bias": [self.d_gates]}
        shapes[f"{prefix}.recurrent.weight"] = [D_HIDDEN, self.d_gates]
        return shapes | ({f"{prefix}.recurrent.bias": [self.d_gates]} if self.cell == "gru" else {})

    def torch_cell(self, ours: dict, prefix: str, suffix: str = "") -> dict:
        """PyTorch's parameters of a cell, computed from ours so that gradients flow back."""
        order = lambda x: torch.cat([x.chunk(len(GATES[self.cell]), -1)[gate] for gate in GATES[self.cell]], -1)
        bias = ours[f"{prefix}.input.bias"]
        return {
            f"weight_ih{suffix}": order(ours[f"{prefix}.input.weight"]).T,
            f"bias_ih{suffix}": order(bias),
            f"weight_hh{suffix}": order(ours[f"{prefix}.recurrent.weight"]).T,
            f"bias_hh{suffix}": order(ours.get(f"{prefix}.recurrent.bias", torch.zeros_like(bias))),
        }

    def encode(self, ours: dict) -> tuple:
        """Annotations, and the last hidden state of the last direction."""
        make = nn.LSTM if self.cell == "lstm" else nn.GRU
        bidirectional = len(self.directions) == 2
        dtype = ours["source_embedding.weight"].dtype
        layers = make(D_EMBEDDING, D_HIDDEN, self.layers, batch_first=True, bidirectional=bidirectional, dtype=dtype)
        theirs = {}
        for n in range(self.layers):
            for direction, suffix in zip(self.directions, [f"_l{n}", f"_l{n}_reverse"]):
                theirs |= self.torch_cell(ours, f"encoder.layers.{n}.{direction}", suffix)
        x = pack_padded_sequence(embed(ours, "source", SOURCE), LENGTHS, batch_first=True, enforce_sorted=False)
        packed, last = functional_call(layers, theirs, (x,))
        annotations, _ = pad_packed_sequence(packed, batch_first=True)
        return annotations, (last[0] if self.cell == "lstm" else last)[-1]

    def logits(self, ours: dict) -> tuple:
        """Of every target position, and the attention's weights."""
        part = lambda name: ours[f"decoder.{name}"]
        annotations, last = self.encode(ours)
        hidden = (last @ part("bridge.weight") + part("bridge.bias")).tanh().chunk(self.layers, 1)
        states = [(h, torch.zeros_like(h)) for h in hidden]
        logits, looked_at = [], []
        for y in embed(ours, "target", TARGET[:, :-1]).unbind(1):
            energy = (states[0][0] @ part("attention.query.weight")).unsqueeze(1) + annotations @ part("attention.key.weight")
            scores = (energy.tanh() @ part("attention.score")).squeeze(2)
            weights = scores.masked_fill(SOURCE < 0, -torch.inf).softmax(1)
            context = (weights.unsqueeze(2) * annotations).sum(1)
            for n in range(self.layers):
                theirs = self.torch_cell(ours, f"decoder.cells.{n}")
                x = states[n - 1][0]
                if n == 0:  # one cell that reads token and context side by side
                    x = torch.cat([y, context], 1)
                    weight = torch.cat([part("cells.0.input.weight"), part("context.weight")])
                    theirs = self.torch_cell(ours | {"decoder.cells.0.input.weight": weight}, "decoder.cells.0")
                states[n] = self.step(theirs, x, states[n])
            read = torch.cat([states[-1][0], context, y], 1) @ part("readout.weight") + part("readout.bias")
            logits.append(read.tanh() @ ours["projection.weight"].T)
            looked_at.append(weights)
        return torch.stack(logits, 1), torch.stack(looked_at, 1)

    def step(self, theirs: dict, x: torch.Tensor, state: tuple) -> tuple:
        if self.cell == "lstm":
            return functional_call(nn.LSTMCell(x.shape[1], D_HIDDEN, dtype=x.dtype), theirs, (x, state))
        return functional_call(nn.GRUCell(x.shape[1], D_HIDDEN, dtype=x.dtype), theirs, (x, state[0])), state[1]

    def results(self, dtype: torch.dtype) -> dict:
        """Logits, weights, the loss and every gradient."""
        ours = {name: leaf(named(name, *shape, scale=1.5), dtype) for name, shape in self.shapes().items()}
        logits, weights = self.logits(ours)
        wanted = TARGET[:, 1:]
        real = wanted >= 0
        log_p = logits.log_softmax(2)[real]
        smoothed = torch.full_like(log_p, SMOOTHING / VOCAB)
        smoothed[torch.arange(len(log_p)), wanted[real]] += 1 - SMOOTHING
        divergence = F.kl_div(log_p, smoothed, reduction="sum")
        results = {"log_p": log_p, "weights": weights[real], "loss": divergence.reshape(1)}
        return results | gradients([divergence], [torch.ones((), dtype=dtype)], ours)


def embed(ours: dict, side: str, tokens: torch.Tensor) -> torch.Tensor:
    return F.embedding(tokens.clamp(min=0), ours[f"{side}_embedding.weight"]) * D_EMBEDDING**0.5


if __name__ == "__main__":
    cases = [(cell, layers, bidirectional) for cell in GATES for layers, bidirectional in [(1, True), (2, True), (2, False)]]
    write(
        Path(sys.argv[1]) / "rnn.json",
        [golden(Case(*case).results, cell=case[0], n_layers=case[1], bidirectional=case[2]) for case in cases],
    )
