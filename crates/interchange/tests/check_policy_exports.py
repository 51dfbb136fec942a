"""Exports a trained policy and asks transformers for what attentive computes itself.

    pip install -r golden/requirements.txt
    cargo build --release --package attentive-cli
    cargo build --release --package attentive-interchange --example actions
    python check_policy_exports.py MODEL [TARGET_FOLDER]

MODEL is a model's folder. Predicted actions, or scores of actions, must be equal within 1e-4 of the largest.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import DecisionTransformerModel

ALLOWED = 1e-4


def main() -> None:
    torch.set_num_threads(1)
    model = sys.argv[1]
    release = Path(sys.argv[2] if len(sys.argv) > 2 else "target") / "release"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(release / "attentive"), "export", "--model", model, "--format", "decision_transformer"]
        subprocess.run([*arguments, "--out", folder], check=True)
        theirs = DecisionTransformerModel.from_pretrained(folder).eval()
    torch.manual_seed(1)
    rows, steps = 4, min(15, theirs.config.max_ep_len)
    states = torch.randn(rows, steps, theirs.config.state_dim)
    actions = torch.randn(rows, steps, theirs.config.act_dim)
    returns = torch.rand(rows, steps)
    timesteps = torch.arange(steps).expand(rows, steps)
    with torch.no_grad():
        expected = theirs(states, actions, returns_to_go=returns[..., None], timesteps=timesteps).action_preds
    given = json.dumps({"states": states.tolist(), "actions": actions.tolist(), "returns": returns.tolist()})
    example = [str(release / "examples/actions"), model]
    found = subprocess.run(example, input=given, text=True, stdout=subprocess.PIPE, check=True).stdout
    error = (torch.tensor(json.loads(found)).reshape(expected.shape) - expected).abs().max() / expected.abs().max()
    print(f"transformers: {rows} rows of {steps} steps, actions within {error:.1e} of the largest")
    sys.exit(bool(error > ALLOWED))


if __name__ == "__main__":
    main()
