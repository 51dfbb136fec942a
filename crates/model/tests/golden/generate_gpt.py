"""Writes gpt.json: what the GPT-2 of transformers computes with our parameters, by our names.

    pip install -r requirements.txt && python generate_gpt.py OUT_DIR
"""

import sys
from pathlib import Path

import torch
from torch.func import functional_call
from transformers import GPT2Config, GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import golden, gradients, leaf, named, write

VOCAB, D_MODEL, LAYERS, MAX_LEN = 11, 6, 2, 9
IDS = torch.tensor([[5, 1, 9, 9, 0, 7], [3, 10, 2, 4, 8, 6]])


def parameters(dtype: torch.dtype) -> tuple:
    """Ours by name, and theirs made of them."""
    ours, theirs = {}, {}

    def make(name: str, *shape: int) -> torch.Tensor:
        ours[name] = leaf(named(name, *shape, scale=0.5, offset=float(name.endswith("gamma"))), dtype)
        return ours[name]

    def norm(our: str, their: str) -> None:
        theirs[f"transformer.{their}.weight"] = make(f"{our}.gamma", D_MODEL)
        theirs[f"transformer.{their}.bias"] = make(f"{our}.beta", D_MODEL)

    def maps(ours: list, their: str, d_in: int, d_out: int) -> None:
        theirs[f"transformer.{their}.weight"] = torch.cat([make(f"{our}.weight", d_in, d_out) for our in ours], 1)
        theirs[f"transformer.{their}.bias"] = torch.cat([make(f"{our}.bias", d_out) for our in ours])

    theirs["transformer.wte.weight"] = make("embedding.weight", VOCAB, D_MODEL)
    theirs["transformer.wpe.weight"] = make("positions.weight", MAX_LEN, D_MODEL)
    norm("decoder.norm", "ln_f")
    for n in range(LAYERS):
        our = f"decoder.layers.{n}"
        norm(f"{our}.self_attention_add_norm.norm", f"h.{n}.ln_1")
        norm(f"{our}.feed_forward_add_norm.norm", f"h.{n}.ln_2")
        maps([f"{our}.self_attention.{part}" for part in ["query", "key", "value"]], f"h.{n}.attn.c_attn", D_MODEL, D_MODEL)
        maps([f"{our}.self_attention.output"], f"h.{n}.attn.c_proj", D_MODEL, D_MODEL)
        maps([f"{our}.feed_forward.inner"], f"h.{n}.mlp.c_fc", D_MODEL, 4 * D_MODEL)
        maps([f"{our}.feed_forward.outer"], f"h.{n}.mlp.c_proj", 4 * D_MODEL, D_MODEL)
    return ours, theirs


def results(dtype: torch.dtype) -> dict:
    """Logits, the loss as we sum it, and every gradient."""
    config = GPT2Config(
        vocab_size=VOCAB, n_positions=MAX_LEN, n_embd=D_MODEL, n_layer=LAYERS, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, attn_implementation="eager", bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    ours, theirs = parameters(dtype)
    out = functional_call(GPT2LMHeadModel(config).eval().to(dtype), theirs, kwargs=dict(input_ids=IDS, labels=IDS))
    loss = out.loss * (IDS.numel() - len(IDS))
    logits = out.logits[:, :-1]
    return {"logits": logits, "loss": loss.reshape(1)} | gradients([loss], [torch.ones((), dtype=dtype)], ours)


if __name__ == "__main__":
    write(Path(sys.argv[1]) / "gpt.json", [golden(results)])
