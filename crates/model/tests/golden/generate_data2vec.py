"""Writes data2vec.json: loss and gradients of data2vec by PyTorch alone, of a text, pictures and sound, with our parameters.

    pip install -r requirements.txt && python generate_data2vec.py OUT_DIR
"""

import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

D, HEADS, FF, LAYERS = 4, 2, 6, 2
VOCAB, SEGMENTS, POSITIONS = 13, 2, 9
GRID, WIDTH, PICTURES = (3, 3), 12, 2
MELS, FRAMES, SOUNDS = 5, 9, 2
# Frames of each recording; what comes after fills its row.
HEARD = [9, 6]

# A text with hidden tokens, and what was hidden. The second row has two tokens of padding.
READ = torch.tensor([[2, 4, 7, 4, 9, 3], [2, 11, 4, 3, 0, 0]])
WHOLE = torch.tensor([[2, 8, 7, 5, 9, 3], [2, 11, 6, 3, 0, 0]])
LENGTHS = [6, 4]
MASK64 = 2**64 - 1


def mix(z: int) -> int:
    """The finalizer of SplitMix64."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK64
    return z ^ z >> 31


def stream(seed: int):
    """Numbers in [0, 1) of the keys of a pass of dropout."""
    for idx in range(10_000):
        yield (mix(seed ^ mix(idx + 0x9E3779B97F4A7C15 & MASK64)) >> 11) / 2**53


def drawn(n: int, piece) -> list:
    """Half of `n` places: pieces, of places that are not hidden yet, until there are enough."""
    places = []
    while (left := math.floor(n / 2 + 0.5) - len(places)) > 0:
        places += [at for at in piece(left) if at not in places][:left]
    return sorted(places)


def spans(n: int, length: int, seed: int) -> list:
    """Spans of wav2vec 2.0."""
    random = stream(seed)
    return drawn(n, lambda _: range(first := int(next(random) * n), min(first + length, n)))


def blocks(rows: int, columns: int, least: int, seed: int) -> list:
    """Blocks of BEiT."""
    random = stream(seed)

    def block(left: int) -> list:
        size = least + max(left - least, 0) * next(random)
        aspect = (1 / 0.3) ** (2 * next(random) - 1)
        height, width = (min(max(math.floor(side + 0.5), 1), most) for side, most in ((math.sqrt(size * aspect), rows), (math.sqrt(size / aspect), columns)))
        top, first = int(next(random) * (rows - height + 1)), int(next(random) * (columns - width + 1))
        return [row * columns + column for row in range(top, top + height) for column in range(first, first + width)]

    return drawn(rows * columns, block)


# Rows and positions of what is hidden, in use: drawn by the index of each example; of pictures after the class token.
PLACES = {
    "bert": [(0, 1), (0, 3), (1, 2)],
    "vit": [(idx, 1 + at) for idx in range(PICTURES) for at in blocks(*GRID, 3, mix(idx))],
    "whisper": [(idx, at) for idx in range(SOUNDS) for at in spans((HEARD[idx] + 1) // 2, 2, mix(idx))],
}


def layers(x: torch.Tensor, prefix: str, p: dict, style: dict) -> tuple[torch.Tensor, list]:
    """The output of a stack, and what each feed-forward network gives before the residual sum."""
    rows, n, _ = x.shape
    outputs = []
    for idx in range(LAYERS):
        of = f"{prefix}.layers.{idx}."
        linear = lambda x, name: x @ p[of + name + ".weight"] + p.get(of + name + ".bias", 0.0)
        norm = lambda x, name: F.layer_norm(x, (D,), p[of + name + ".norm.gamma"], p[of + name + ".norm.beta"], style["eps"])
        heads = lambda x: x.reshape(rows, n, HEADS, D // HEADS).transpose(1, 2)

        def attention(x: torch.Tensor) -> torch.Tensor:
            q, k, v = (heads(linear(x, f"self_attention.{name}")) for name in ("query", "key", "value"))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=style.get("mask"))
            return linear(y.transpose(1, 2).reshape(rows, n, D), "self_attention.output")

        feed_forward = lambda x: linear(F.gelu(linear(x, "feed_forward.inner")), "feed_forward.outer")
        if style["pre"]:
            x = x + attention(norm(x, "self_attention_add_norm"))
            outputs.append(feed_forward(norm(x, "feed_forward_add_norm")))
            x = x + outputs[-1]
        else:
            x = norm(x + attention(x), "self_attention_add_norm")
            outputs.append(feed_forward(x))
            x = norm(x + outputs[-1], "feed_forward_add_norm")
    if style["pre"]:
        x = F.layer_norm(x, (D,), p[f"{prefix}.norm.gamma"], p[f"{prefix}.norm.beta"], style["eps"])
    return x, outputs


def with_vector(x: torch.Tensor, places: list, before: int, p: dict) -> torch.Tensor:
    hidden = torch.zeros(x.shape[:2], dtype=torch.bool)
    for row, at in places:
        hidden[row, at - before] = True
    return torch.where(hidden.unsqueeze(-1), p["mask"], x)


def text(p: dict, places: list, is_hidden: bool) -> torch.Tensor:
    ids = READ if is_hidden else WHOLE
    n = ids.shape[1]
    x = p["student.embedding.weight"][ids] + p["student.positions.weight"][:n] + p["student.segments.weight"][0]
    return F.layer_norm(x, (D,), p["student.norm.gamma"], p["student.norm.beta"], 1e-12)


def pictures(p: dict, places: list, is_hidden: bool) -> torch.Tensor:
    values = named("patches", PICTURES, GRID[0] * GRID[1], WIDTH).to(p["mask"].dtype)
    x = values @ p["student.patches.weight"] + p["student.patches.bias"]
    x = with_vector(x, places, 1, p) if is_hidden else x
    return torch.cat([p["student.class_token"].expand(PICTURES, 1, D), x], 1) + p["student.positions"]


def sound(p: dict, places: list, is_hidden: bool) -> torch.Tensor:
    def convolution(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        # Ours is a product with three frames side by side.
        kernel = p[f"student.stem.{name}.weight"].reshape(3, -1, D).permute(2, 1, 0)
        return F.gelu(F.conv1d(x, kernel, p[f"student.stem.{name}.bias"], stride=stride, padding=1))

    x = named("sound", SOUNDS, FRAMES, MELS).to(p["mask"].dtype).transpose(1, 2)
    x = convolution(convolution(x, "first", 1), "second", 2).transpose(1, 2)
    x = with_vector(x, places, 0, p) if is_hidden else x
    angle = lambda at, dim: at / 10_000 ** ((dim // 2) / (D // 2 - 1))
    encodings = [[math.sin(angle(at, dim)) if dim % 2 == 0 else math.cos(angle(at, dim)) for dim in range(D)] for at in range(x.shape[1])]
    return x + torch.tensor(encodings, dtype=x.dtype)


def stack_params(prefix: str, pre: bool, key_bias: bool) -> dict:
    shapes = {}
    for idx in range(LAYERS):
        of = f"{prefix}.layers.{idx}."
        for name in ("query", "key", "value", "output"):
            shapes[of + f"self_attention.{name}.weight"] = (D, D)
            if key_bias or name != "key":
                shapes[of + f"self_attention.{name}.bias"] = (D,)
        shapes |= {of + "feed_forward.inner.weight": (D, FF), of + "feed_forward.inner.bias": (FF,)}
        shapes |= {of + "feed_forward.outer.weight": (FF, D), of + "feed_forward.outer.bias": (D,)}
        for name in ("self_attention_add_norm", "feed_forward_add_norm"):
            shapes |= {of + f"{name}.norm.{part}": (D,) for part in ("gamma", "beta")}
    return shapes | ({f"{prefix}.norm.{part}": (D,) for part in ("gamma", "beta")} if pre else {})


PREDICTOR = {"predictor.weight": (D, D), "predictor.bias": (D,)}
MASK = {"mask": (1, D)}
KINDS = {
    "bert": (text, {"student.embedding.weight": (VOCAB, D), "student.positions.weight": (POSITIONS, D),
                    "student.segments.weight": (SEGMENTS, D), "student.norm.gamma": (D,), "student.norm.beta": (D,)}),
    "vit": (pictures, {"student.patches.weight": (WIDTH, D), "student.patches.bias": (D,), "student.class_token": (1, D),
                       "student.positions": (1 + GRID[0] * GRID[1], D)} | MASK),
    "whisper": (sound, {"student.stem.first.weight": (3 * MELS, D), "student.stem.first.bias": (D,),
                        "student.stem.second.weight": (3 * D, D), "student.stem.second.bias": (D,)} | MASK),
}  # fmt: skip


def case(kind: str, top_layers: int, beta: float) -> dict:
    features, shapes = KINDS[kind]
    places, pre = PLACES[kind], kind != "bert"
    style = {"pre": pre, "eps": {"bert": 1e-12, "vit": 1e-6, "whisper": 1e-5}[kind]}
    if kind == "bert":
        style["mask"] = torch.tensor([[at < length for at in range(READ.shape[1])] for length in LENGTHS])[:, None, None, :]
    of_student = shapes | stack_params("student.encoder", pre, kind != "whisper") | PREDICTOR
    of_teacher = stack_params("teacher", pre, kind != "whisper")

    def results(dtype: torch.dtype) -> dict:
        value = lambda name, shape: named(name, *shape, scale=0.5, offset=float(name.endswith("gamma")))
        p = {name: leaf(value(name, shape), dtype) for name, shape in of_student.items()}
        teacher = {name: value(name, shape).to(dtype) for name, shape in of_teacher.items()}
        pick = lambda x: torch.stack([x[row, at] for row, at in places])
        with torch.no_grad():
            _, outputs = layers(features(p, places, False), "teacher", teacher, style)
            # F.layer_norm without parameters over features, or F.instance_norm over time.
            layer_norm = lambda x: F.layer_norm(x, (D,))
            one_norm = lambda x: F.instance_norm(x[None].transpose(1, 2)).transpose(1, 2)[0]
            # Each recording by itself, and nothing of what fills its row.
            of_row = lambda x, n: torch.cat([one_norm(x[:n]), x[n:]])
            instance_norm = lambda x: torch.stack([of_row(row, (n + 1) // 2) for row, n in zip(x, HEARD)])
            norm = instance_norm if kind == "whisper" else layer_norm
            targets = pick(torch.stack([norm(output) for output in outputs[-top_layers:]]).mean(0))
        encoded, _ = layers(features(p, places, True), "student.encoder", p, style)
        predicted = pick(encoded) @ p["predictor.weight"] + p["predictor.bias"]
        if beta > 0:
            distance = F.smooth_l1_loss(predicted, targets, beta=beta, reduction="sum")
        else:
            distance = F.mse_loss(predicted, targets, reduction="sum")
        loss = distance / D
        found = {"loss": loss.reshape(1), "targets deviate": targets.std(0, correction=0).mean().reshape(1)}
        return found | gradients([loss], [torch.ones((), dtype=dtype)], p)

    n = {"bert": READ.shape[1], "vit": 1 + GRID[0] * GRID[1], "whisper": (FRAMES + 1) // 2}[kind]
    facts = dict(model=kind, top_layers=top_layers, beta=beta, places=[row * n + at for row, at in places])
    return golden(results, **facts)


if __name__ == "__main__":
    cases = [case(kind, top_layers, beta) for kind in KINDS for top_layers, beta in ((1, 0.0), (2, 0.3))]
    write(Path(sys.argv[1]) / "data2vec.json", cases)
