"""Writes the goldens of attentive-attention: what PyTorch computes, forward and backward.

    pip install -r requirements.txt && python generate.py OUT_DIR
"""

import sys
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

BATCH, HEADS, Q_LEN, K_LEN = 2, 3, 5, 7


def masks() -> dict:
    """Kinds of masks by name: padding as lengths, causal, and a pattern; true is hidden."""
    pattern = lambda name, *shape: named(name, *shape) > 0.3
    one_row = torch.zeros(1, 1, Q_LEN, K_LEN, dtype=torch.bool)
    one_row[0, 0, 2] = True
    return {
        "none": {},
        "padding": {"lengths": [7, 4]},
        "causal": {"causal": True},
        "padding and causal": {"lengths": [7, 4], "causal": True},
        "pattern": {"pattern": pattern("pattern", BATCH, 1, Q_LEN, K_LEN)},
        "pattern by head": {"pattern": pattern("by head", BATCH, HEADS, Q_LEN, K_LEN)},
        "padding, causal and pattern": {"lengths": [6, 7], "causal": True, "pattern": pattern("third", 1, 1, Q_LEN, K_LEN)},
        "a hidden sequence": {"lengths": [7, 0]},
        "a hidden query": {"pattern": one_row},
    }


def hidden(mask: dict, batch: int, q_len: int, k_len: int) -> torch.Tensor:
    """The whole mask, true is hidden: queries are the last positions of the keys."""
    lengths = torch.tensor(mask.get("lengths", [k_len] * batch)).reshape(batch, 1, 1, 1)
    future = torch.arange(k_len) > torch.arange(k_len - q_len, k_len).reshape(q_len, 1)
    whole = torch.arange(k_len) >= lengths
    whole = whole | future if mask.get("causal") else whole.expand(batch, 1, q_len, k_len)
    return whole | mask["pattern"] if "pattern" in mask else whole


def attention() -> list:
    d_k, d_v = 2, 3

    def compute(mask, dtype):
        leaves = {
            "q": leaf(named("q", BATCH, HEADS, Q_LEN, d_k, scale=2), dtype),
            "k": leaf(named("k", BATCH, HEADS, K_LEN, d_k, scale=2), dtype),
            "v": leaf(named("v", BATCH, HEADS, K_LEN, d_v), dtype),
        }
        seen = ~hidden(mask, BATCH, Q_LEN, K_LEN)
        y = F.scaled_dot_product_attention(*leaves.values(), attn_mask=seen)
        return {"y": y, **gradients([y], [named("dy", *y.shape).to(dtype)], leaves)}

    def facts(mask):
        pattern = mask.get("pattern")
        shape = None if pattern is None else list(pattern.shape)
        flat = None if pattern is None else pattern.reshape(-1).int().tolist()
        return {"lengths": mask.get("lengths"), "causal": mask.get("causal", False), "pattern": flat, "pattern_shape": shape}

    return [golden(lambda dtype: compute(mask, dtype), name=name, **facts(mask)) for name, mask in masks().items()]


def multi_head() -> list:
    d_model, heads, q_len, k_len = 7, 2, 3, 5

    def compute(d_k, d_v, of_itself, mask, dtype):
        x = leaf(named("x", BATCH, q_len, d_model), dtype)
        memory = x if of_itself else leaf(named("memory", BATCH, k_len, d_model), dtype)
        shapes = {"query": [d_model, heads * d_k], "key": [d_model, heads * d_k], "value": [d_model, heads * d_v], "output": [heads * d_v, d_model]}
        leaves = {"x": x} if of_itself else {"x": x, "memory": memory}
        for part, shape in shapes.items():
            leaves[f"{part}.weight"] = leaf(named(f"{part}.weight", *shape), dtype)
            leaves[f"{part}.bias"] = leaf(named(f"{part}.bias", shape[1]), dtype)
        project = lambda part, x: F.linear(x, leaves[f"{part}.weight"].T, leaves[f"{part}.bias"])
        split = lambda x: x.unflatten(2, (heads, -1)).transpose(1, 2)
        q, k, v = split(project("query", x)), split(project("key", memory)), split(project("value", memory))
        seen = ~hidden(mask, BATCH, q_len, memory.shape[1])
        y = project("output", F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).flatten(2))
        return {"y": y, **gradients([y], [named("dy", *y.shape).to(dtype)], leaves)}

    cases = [
        (3, 5, False, {"lengths": [5, 2]}),
        (5, 2, True, {"causal": True}),
        (1, 1, True, {"lengths": [3, 2], "causal": True}),
    ]
    return [
        golden(lambda dtype: compute(d_k, d_v, of_itself, mask, dtype), d_k=d_k, d_v=d_v, of_itself=of_itself,
               lengths=mask.get("lengths"), causal=mask.get("causal", False))
        for d_k, d_v, of_itself, mask in cases
    ]  # fmt: skip


def norms() -> list:
    d = 11

    def compute(kind, dtype):
        leaves = {"x": leaf(named("x", 2, 3, d, scale=4, offset=1), dtype), "gamma": leaf(named("gamma", d, offset=1), dtype)}
        if kind == "layer":
            leaves["beta"] = leaf(named("beta", d), dtype)
            y = F.layer_norm(leaves["x"], [d], leaves["gamma"], leaves["beta"], eps=1e-5)
        else:
            y = F.rms_norm(leaves["x"], [d], leaves["gamma"], eps=1e-5)
        return {"y": y, **gradients([y], [named("dy", *y.shape).to(dtype)], leaves)}

    return [golden(lambda dtype: compute(kind, dtype), name=kind) for kind in ["layer", "rms"]]


def feed_forward() -> list:
    d_model, d_ff = 5, 11
    activations = {"relu": F.relu, "gelu": F.gelu, "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu}

    def compute(activation, dtype):
        leaves = {
            "x": leaf(named("x", 2, 3, d_model, scale=2), dtype),
            "inner.weight": leaf(named("inner.weight", d_model, d_ff), dtype),
            "inner.bias": leaf(named("inner.bias", d_ff), dtype),
            "outer.weight": leaf(named("outer.weight", d_ff, d_model), dtype),
            "outer.bias": leaf(named("outer.bias", d_model), dtype),
        }
        h = activation(F.linear(leaves["x"], leaves["inner.weight"].T, leaves["inner.bias"]))
        y = F.linear(h, leaves["outer.weight"].T, leaves["outer.bias"])
        return {"y": y, **gradients([y], [named("dy", *y.shape).to(dtype)], leaves)}

    return [golden(lambda dtype: compute(f, dtype), name=name) for name, f in activations.items()]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    for make in [attention, multi_head, norms, feed_forward]:
        write(out / f"{make.__name__}.json", make())
