"""PyTorch's side of `cargo xtask bench train`: the same model, batch and update, as PyTorch does them fastest.

Fused query, key and value projections, `scaled_dot_product_attention`, `cross_entropy` with label smoothing, fused Adam.
`gpt` is nanoGPT's character model, `bert` BERT base that guesses hidden tokens (and scores those alone), `t5` T5 small
with its bias as the mask of `scaled_dot_product_attention`, `llama` what Llama is made of.
Usage: train_pytorch.py small|base|gpt|bert|t5|llama f32|bf16 THREADS
"""

import math
import sys

import torch
from torch import nn
from torch.nn import functional as F

from worker import serve

DROPOUT = 0.1
SMOOTHING = 0.1
WORKLOADS = {
    "small": dict(d=256, d_ff=1024, heads=4, layers=3, vocab=8000, len=32, rows=64, steps=4),
    "base": dict(d=512, d_ff=2048, heads=8, layers=6, vocab=32000, len=32, rows=16, steps=2),
    "gpt": dict(d=384, heads=6, layers=6, vocab=65, len=256, rows=16, steps=2),
    "bert": dict(d=768, d_ff=3072, heads=12, layers=12, vocab=30522, len=128, rows=4, steps=1),
    "t5": dict(d=512, d_ff=2048, heads=8, layers=6, vocab=32128, len=128, rows=8, steps=1),
    "llama": dict(d=512, d_ff=1408, heads=8, kv_heads=4, layers=8, vocab=32000, len=256, rows=4, steps=1),
}
# Of a row of BERT's, one token in so many is to be guessed.
HIDDEN = 7


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
    def __init__(self, d, d_ff, heads, layers, vocab, len, **_):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.encoder = nn.ModuleList(Layer(d, d_ff, heads, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(d, d_ff, heads, True) for _ in range(layers))
        angle = torch.arange(len)[:, None] / 10_000 ** (torch.arange(0, d, 2) / d)
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
    def __init__(self, d, heads, layers, vocab, len, **_):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocab, d), nn.Embedding(len, d)
        self.layers = nn.ModuleList(GptLayer(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d)

    def forward(self, ids):
        x = self.embedding(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.embedding.weight)


class BertLayer(nn.Module):
    """A post-norm layer with dropout of attention's weights too."""

    def __init__(self, d, d_ff, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.inner, self.outer = nn.Linear(d, d_ff), nn.Linear(d_ff, d)
        self.norm_1, self.norm_2 = nn.LayerNorm(d, 1e-12), nn.LayerNorm(d, 1e-12)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=DROPOUT).transpose(1, 2).flatten(2)
        x = self.norm_1(x + F.dropout(self.out(y), DROPOUT))
        return self.norm_2(x + F.dropout(self.outer(F.gelu(self.inner(x))), DROPOUT))


class Bert(nn.Module):
    def __init__(self, d, d_ff, heads, layers, vocab, **_):
        super().__init__()
        self.embedding, self.positions, self.segments = nn.Embedding(vocab, d), nn.Embedding(512, d), nn.Embedding(2, d)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.norm = nn.LayerNorm(d, 1e-12)
        self.layers = nn.ModuleList(BertLayer(d, d_ff, heads) for _ in range(layers))
        self.dense, self.head_norm, self.bias = nn.Linear(d, d), nn.LayerNorm(d, 1e-12), nn.Parameter(torch.zeros(vocab))

    def forward(self, ids, places):
        x = self.embedding(ids) + self.positions.weight[: ids.shape[1]] + self.segments.weight[0]
        x = F.dropout(self.norm(x), DROPOUT)
        for layer in self.layers:
            x = layer(x)
        x = self.head_norm(F.gelu(self.dense(x.flatten(0, 1)[places])))
        return F.linear(x, self.embedding.weight, self.bias)


class T5Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.q, self.kv, self.out = heads, *(nn.Linear(d, n * d, bias=False) for n in (1, 2, 1))

    def forward(self, x, memory, bias):
        q, k, v = self.q(x), *self.kv(memory).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=DROPOUT, scale=1.0)
        return self.out(y.transpose(1, 2).flatten(2))


class T5Layer(nn.Module):
    def __init__(self, d, d_ff, heads, decoder):
        super().__init__()
        self.attention, self.cross = T5Attention(d, heads), T5Attention(d, heads) if decoder else None
        self.inner, self.outer = nn.Linear(d, d_ff, bias=False), nn.Linear(d_ff, d, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(d, 1e-6) for _ in range(3 if decoder else 2))

    def forward(self, x, bias, memory=None):
        y = self.norms[0](x)
        x = x + F.dropout(self.attention(y, y, bias), DROPOUT)
        if self.cross is not None:
            x = x + F.dropout(self.cross(self.norms[1](x), memory, None), DROPOUT)
        y = F.dropout(F.relu(self.inner(self.norms[-1](x))), DROPOUT)
        return x + F.dropout(self.outer(y), DROPOUT)


class T5Stack(nn.Module):
    def __init__(self, d, d_ff, heads, layers, decoder):
        super().__init__()
        self.layers = nn.ModuleList(T5Layer(d, d_ff, heads, decoder) for _ in range(layers))
        self.norm, self.bias, self.decoder = nn.RMSNorm(d, 1e-6), nn.Embedding(32, heads), decoder

    def buckets(self, n):
        offsets = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        buckets = 32 if self.decoder else 16
        distance = (-offsets).clamp(min=0) if self.decoder else offsets.abs()
        exact = buckets // 2
        far = exact + ((distance.clamp(min=1) / exact).log() / math.log(128 / exact) * (buckets - exact)).long()
        bucket = torch.where(distance < exact, distance, far.clamp(max=buckets - 1))
        return bucket if self.decoder else bucket + 16 * (offsets > 0)

    def forward(self, x, memory=None):
        bias = self.bias(self.buckets(x.shape[1])).permute(2, 0, 1)[None]
        if self.decoder:
            bias = bias + torch.full(bias.shape[-2:], -torch.inf).triu(1)
        x = F.dropout(x, DROPOUT)
        for layer in self.layers:
            x = layer(x, bias, memory)
        return F.dropout(self.norm(x), DROPOUT)


class T5(nn.Module):
    def __init__(self, d, d_ff, heads, layers, vocab, **_):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d)
        self.encoder, self.decoder = (T5Stack(d, d_ff, heads, layers, decoder) for decoder in (False, True))

    def forward(self, source, target):
        memory = self.encoder(self.embedding(source))
        x = self.decoder(self.embedding(target), memory)
        return F.linear(x * x.shape[-1] ** -0.5, self.embedding.weight)


class LlamaLayer(nn.Module):
    def __init__(self, d, d_ff, heads, kv_heads):
        super().__init__()
        self.heads, self.kv_heads, self.d_k = heads, kv_heads, d // heads
        self.qkv = nn.Linear(d, (heads + 2 * kv_heads) * self.d_k, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.gate_up, self.down = nn.Linear(d, 2 * d_ff, bias=False), nn.Linear(d_ff, d, bias=False)
        self.norm_1, self.norm_2 = nn.RMSNorm(d, 1e-5), nn.RMSNorm(d, 1e-5)

    def forward(self, x, cos, sin):
        sizes = [self.heads, self.kv_heads, self.kv_heads]
        heads = self.qkv(self.norm_1(x)).unflatten(-1, (-1, self.d_k)).transpose(1, 2)
        q, k, v = heads.split(sizes, dim=1)
        rotate = lambda x: x * cos + torch.cat([-x[..., self.d_k // 2 :], x[..., : self.d_k // 2]], -1) * sin
        y = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True, enable_gqa=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm_2(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, d, d_ff, heads, kv_heads, layers, vocab, len, **_):
        super().__init__()
        self.embedding, self.projection = nn.Embedding(vocab, d), nn.Linear(d, vocab, bias=False)
        self.layers = nn.ModuleList(LlamaLayer(d, d_ff, heads, kv_heads) for _ in range(layers))
        self.norm, d_k = nn.RMSNorm(d, 1e-5), d // heads
        angle = torch.arange(len)[:, None] / 10_000 ** (torch.arange(0, d_k, 2) / d_k)
        self.register_buffer("cos", angle.cos().repeat(1, 2))
        self.register_buffer("sin", angle.sin().repeat(1, 2))

    def forward(self, ids):
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.projection(self.norm(x))


def main():
    name, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    sizes = WORKLOADS[name]
    kinds = {"gpt": Gpt, "bert": Bert, "t5": T5, "llama": Llama}
    model = kinds.get(name, Transformer)(**sizes)
    rows, length, smoothing = sizes["rows"], sizes["len"], SMOOTHING if name in ("small", "base") else 0.0
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    source = torch.randint(sizes["vocab"], (rows, length))
    target = torch.randint(sizes["vocab"], (rows, length + 1))
    places = torch.arange(0, rows * length, HIDDEN)
    next_tokens = target[:, 1:].flatten()
    if name == "bert":
        forward, expected = lambda: model(source, places), source.flatten()[places]
    elif name in ("gpt", "llama"):
        forward, expected = lambda: model(target[:, :-1]), next_tokens
    else:
        forward, expected = lambda: model(source, target[:, :-1]), next_tokens

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = F.cross_entropy(forward().flatten(0, -2), expected, label_smoothing=smoothing)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.item()

    def run_round():
        loss = [step() for _ in range(sizes["steps"])][-1]
        return sizes["steps"] * expected.numel(), {"loss": loss}

    serve({"torch": torch.__version__, "threads": torch.get_num_threads(), "dtype": dtype}, run_round)


main()
