"""PyTorch's side of `cargo xtask bench train`: the same model, batch and update, as PyTorch does them fastest.

Fused query, key and value projections, `scaled_dot_product_attention`, `cross_entropy` with label smoothing, fused Adam.
`gpt` is nanoGPT's character model: 6 layers, 6 heads, d 384, context 256, batch 16, no dropout.
Usage: train_pytorch.py small|base|gpt f32|bf16 THREADS
"""

import math
import sys

import torch
from torch import nn
from torch.nn import functional as F

from worker import serve

DROPOUT = 0.1
SMOOTHING = 0.1
LEN = 32
WORKLOADS = {
    "small": dict(d=256, d_ff=1024, heads=4, layers=3, vocab=8000, rows=64, steps=4),
    "base": dict(d=512, d_ff=2048, heads=8, layers=6, vocab=32000, rows=16, steps=2),
    "gpt": dict(d=384, heads=6, layers=6, vocab=65, context=256, rows=16, steps=2),
}


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, memory=None, causal=False):
        if memory is None:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:
            d = x.shape[-1]
            q = F.linear(x, self.qkv.weight[:d], self.qkv.bias[:d])
            k, v = F.linear(memory, self.qkv.weight[d:], self.qkv.bias[d:]).chunk(2, dim=-1)
        y = F.scaled_dot_product_attention(self.split(q), self.split(k), self.split(v), is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A post-norm layer; a decoder's has attention to the memory as well."""

    def __init__(self, d, d_ff, heads, decoder):
        super().__init__()
        self.attention = Attention(d, heads)
        self.cross = Attention(d, heads) if decoder else None
        self.inner, self.outer = nn.Linear(d, d_ff), nn.Linear(d_ff, d)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3 if decoder else 2))

    def forward(self, x, memory=None):
        norms = iter(self.norms)
        add_norm = lambda x, y: next(norms)(x + F.dropout(y, DROPOUT))
        x = add_norm(x, self.attention(x, causal=self.cross is not None))
        if self.cross is not None:
            x = add_norm(x, self.cross(x, memory))
        return add_norm(x, self.outer(F.relu(self.inner(x))))


class Transformer(nn.Module):
    def __init__(self, d, d_ff, heads, layers, vocab, **_):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.encoder = nn.ModuleList(Layer(d, d_ff, heads, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(d, d_ff, heads, True) for _ in range(layers))
        angle = torch.arange(LEN)[:, None] / 10_000 ** (torch.arange(0, d, 2) / d)
        self.register_buffer("positions", torch.stack([angle.sin(), angle.cos()], -1).flatten(1))

    def embed(self, ids):
        x = self.embedding(ids) * math.sqrt(self.embedding.embedding_dim) + self.positions
        return F.dropout(x, DROPOUT)

    def forward(self, source, target):
        memory = self.embed(source)
        for layer in self.encoder:
            memory = layer(memory)
        x = self.embed(target)
        for layer in self.decoder:
            x = layer(x, memory)
        return F.linear(x, self.embedding.weight)


class GptLayer(nn.Module):
    """A pre-norm layer without attention to another sequence."""

    def __init__(self, d, heads):
        super().__init__()
        self.attention = Attention(d, heads)
        self.inner, self.outer = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.norm_1, self.norm_2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x), causal=True)
        return x + self.outer(F.gelu(self.inner(self.norm_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, d, heads, layers, vocab, context, **_):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocab, d), nn.Embedding(context, d)
        self.layers = nn.ModuleList(GptLayer(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d)

    def forward(self, ids):
        x = self.embedding(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.embedding.weight)


def main():
    name, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    sizes = WORKLOADS[name]
    is_gpt = name == "gpt"
    model = Gpt(**sizes) if is_gpt else Transformer(**sizes)
    length, smoothing = (sizes["context"], 0.0) if is_gpt else (LEN, SMOOTHING)
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    source = torch.randint(sizes["vocab"], (sizes["rows"], length))
    target = torch.randint(sizes["vocab"], (sizes["rows"], length + 1))

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            logits = model(target[:, :-1]) if is_gpt else model(source, target[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), label_smoothing=smoothing)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.item()

    def run_round():
        loss = [step() for _ in range(sizes["steps"])][-1]
        return sizes["steps"] * sizes["rows"] * length, {"loss": loss}

    serve({"torch": torch.__version__, "threads": torch.get_num_threads(), "dtype": dtype}, run_round)


main()
