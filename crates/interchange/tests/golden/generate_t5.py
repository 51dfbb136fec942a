"""Writes the goldens of T5 and ByT5: tiny models of transformers, what they compute and generate, and their tokenizer.

    pip install -r requirements.txt && python generate_t5.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from generate import rounded, t5_pieces
from safetensors.torch import save_file
from transformers import AutoTokenizer, ByT5Tokenizer, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

PAD, END, N_SENTINELS = 0, 1, 4
TEXTS = ["the animal was tired", "a street  too wide", "an ☃ unknown", "", "wide wide wide the end"]


def pieces(folder: Path) -> int:
    """T5's spiece.model, and ids and texts of its tokenizer; gives the number of tokens."""
    model = t5_pieces()
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": N_SENTINELS}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    sentinels = tokenizer.convert_tokens_to_ids([f"<extra_id_{n}>" for n in range(N_SENTINELS)])
    decoded = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    write(folder / "tokens.json", [{"texts": TEXTS, "ids": ids, "sentinels": sentinels, "decoded": decoded}])
    return len(model.pieces) + N_SENTINELS


def model(folder: Path, vocab_size: int, rows: list, **config) -> None:
    """A model of transformers with weights by formula, its logits, and what it generates."""
    config = T5Config(
        vocab_size=vocab_size, d_model=6, d_kv=4, d_ff=7, num_layers=2, num_decoder_layers=1, num_heads=3,
        relative_attention_num_buckets=8, relative_attention_max_distance=10, pad_token_id=PAD, eos_token_id=END,
        decoder_start_token_id=PAD, architectures=["T5ForConditionalGeneration"], **config,
    )  # fmt: skip
    t5 = T5ForConditionalGeneration(config).eval()
    own_projection = not config.scale_decoder_outputs
    if own_projection:
        t5.lm_head.weight = torch.nn.Parameter(torch.empty_like(t5.shared.weight))
    state = {
        name: named(name, *tensor.shape, scale=2.0, offset=float("layer_norm" in name)).float()
        for name, tensor in t5.state_dict().items()
        if "embed_tokens" not in name and (own_projection or name != "lm_head.weight")
    }
    missing, unexpected = t5.load_state_dict(state, strict=False)
    assert not unexpected and all("embed_tokens" in name or name == "lm_head.weight" for name in missing)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True) + "\n")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "pytorch_model.bin")

    # As a user loads it.
    t5 = T5ForConditionalGeneration.from_pretrained(folder).eval()
    assert torch.equal(t5.lm_head.weight, state["lm_head.weight" if own_projection else "shared.weight"])
    length = max(map(len, rows))
    source = torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    target = torch.tensor([[PAD, *row[:3], *rows[0][::-1]] for row in rows])
    with torch.no_grad():
        logits = t5(input_ids=source, attention_mask=mask, decoder_input_ids=target).logits
        generated = t5.generate(source, attention_mask=mask, do_sample=False, num_beams=1, max_new_tokens=12)
    generated = [[id for id in row[1:] if id != PAD] for row in generated.tolist()]
    case = {"source": rows, "target": target.tolist(), "generated": generated, "tensors": {"logits": rounded(logits[:, -2:])}}
    write(folder / "logits.json", [case])


def buckets(out: Path) -> None:
    """The bucket of each distance, by T5's own code."""
    cases = []
    for n, max_distance in [(32, 128), (32, 20), (8, 10), (9, 33)]:
        for bidirectional in [True, False]:
            found = T5Attention._relative_position_bucket(torch.arange(-300, 301), bidirectional, n, max_distance)
            cases.append({
                "n_buckets": n, "max_distance": max_distance, "bidirectional": bidirectional, "buckets": found.tolist(),
            })  # fmt: skip
    write(out / "t5-buckets.json", cases)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    (out / "t5").mkdir(exist_ok=True)
    (out / "byt5").mkdir(exist_ok=True)
    n_tokens = pieces(out / "t5")
    # The embeddings have some entries more than the tokenizer has tokens, as T5's have.
    model(out / "t5", n_tokens + 5, [[5, 9, 3, 7, 20, 11, 6, 4, 8, 30, 5, END], [8, 4, END]])
    gated = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "layer_norm_epsilon": 1e-5}
    ByT5Tokenizer().save_pretrained(out / "byt5")
    (out / "byt5/added_tokens.json").unlink(missing_ok=True)
    (out / "byt5/special_tokens_map.json").unlink(missing_ok=True)
    (out / "byt5/tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}\n')
    text = lambda text: ByT5Tokenizer()(text)["input_ids"]
    model(out / "byt5", 384, [text("the animal"), text("too wide, ein müdes Tier")], **gated)
    buckets(out)
