"""Lets an exported policy play gymnasium's CartPole-v1 by transformers.

    pip install -r golden/requirements.txt gymnasium
    cargo build --release --package attentive-cli
    python check_policy_plays.py MODEL [TARGET_FOLDER]

MODEL is the folder of a model that learnt CartPole. Asked for 500, it must have 450 on average of 20 episodes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gymnasium
import numpy as np
import torch
from transformers import DecisionTransformerModel

EPISODES, TARGET, LEAST = 20, 500.0, 450.0


def exported(model: str, release: Path) -> tuple:
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(release / "attentive"), "export", "--model", model, "--format", "decision_transformer"]
        subprocess.run([*arguments, "--out", folder], check=True)
        processor = json.loads((Path(folder) / "processor.json").read_text())
        return DecisionTransformerModel.from_pretrained(folder).eval(), processor


@torch.no_grad()
def episode(model, processor: dict, seed: int) -> float:
    environment = gymnasium.make("CartPole-v1")
    mean, deviation = (np.array(processor[name], np.float32) for name in ("state_mean", "state_deviation"))
    context, scale = processor["context"], processor["return_scale"]
    states, actions, returns = [environment.reset(seed=seed)[0]], [], [TARGET]
    ended = False
    while not ended:
        first = max(0, len(states) - context)
        known = [np.eye(2, dtype=np.float32)[action] for action in actions[first:]] + [np.zeros(2, np.float32)]
        scores = model(
            states=torch.tensor((np.stack(states[first:]) - mean) / deviation)[None],
            actions=torch.tensor(np.stack(known))[None],
            returns_to_go=torch.tensor(returns[first:])[None, :, None] / scale,
            timesteps=torch.arange(first, len(states))[None],
        ).action_preds[0, -1]
        actions.append(int(scores.argmax()))
        state, reward, terminated, truncated, _ = environment.step(actions[-1])
        states.append(state)
        returns.append(returns[-1] - float(reward))
        ended = terminated or truncated
    return TARGET - returns[-1]


def main() -> None:
    torch.set_num_threads(1)
    release = Path(sys.argv[2] if len(sys.argv) > 2 else "target") / "release"
    model, processor = exported(sys.argv[1], release)
    totals = [episode(model, processor, seed) for seed in range(EPISODES)]
    print(f"transformers in gymnasium: asked for {TARGET:.0f}, had {np.mean(totals):.1f} on average of {EPISODES} episodes")
    sys.exit(bool(np.mean(totals) < LEAST))


if __name__ == "__main__":
    main()
