"""Writes the goldens of Decision Transformers: tiny models of transformers with weights by formula, and what they compute.

    pip install -r requirements.txt && python generate_decision_transformer.py OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import DecisionTransformerConfig, DecisionTransformerModel

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "testkit/golden"))
from torch_golden import named, write

torch.set_num_threads(1)

SIZES = dict(state_dim=5, act_dim=3, hidden_size=8, n_layer=2, n_positions=32, max_ep_len=9)
# Rows and steps of each case, and the number of the first step.
CASES = [(1, 1, 0), (1, 4, 0), (2, 3, 5), (3, 9, 0)]


def policy(folder: Path, in_pickle: bool, **settings) -> None:
    folder.mkdir(exist_ok=True)
    config = DecisionTransformerConfig(architectures=["DecisionTransformerModel"], **SIZES, **settings)
    model = DecisionTransformerModel(config).eval()
    is_gain = lambda name: name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight", "embed_ln.weight"))
    state = {
        name: named(name, *tensor.shape, scale=0.5, offset=float(is_gain(name))).float()
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    settings = config.to_dict()
    if in_pickle:
        # As the released files have them: masks as buffers, and a context.
        for layer in range(config.n_layer):
            state[f"encoder.h.{layer}.attn.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.uint8).tril()
            state[f"encoder.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
        settings["max_length"] = 7
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    cases = []
    for rows, steps, first in CASES:
        of = f"{rows} {steps} {first}"
        inputs = {
            "states": named(f"states {of}", rows, steps, config.state_dim, scale=2.0).float(),
            "actions": named(f"actions {of}", rows, steps, config.act_dim).float(),
            "returns_to_go": named(f"returns {of}", rows, steps, 1, scale=3.0).float(),
        }
        timesteps = torch.arange(first, first + steps).expand(rows, steps)
        with torch.no_grad():
            out = model(**inputs, timesteps=timesteps, attention_mask=torch.ones(rows, steps, dtype=torch.long))
        tensors = {"action": out.action_preds, "state": out.state_preds, "return": out.return_preds} | inputs
        rounded = {name: [float(f"{x:.7g}") for x in tensor.flatten().tolist()] for name, tensor in tensors.items()}
        cases.append({"rows": rows, "steps": steps, "first": first, "tensors": rounded})
    write(folder / "outputs.json", cases)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    policy(out / "decision-transformer", False, n_head=2)
    policy(out / "decision-transformer-released", True, n_inner=12, action_tanh=False, activation_function="gelu_new")
