"""Golden episodes of gymnasium's CartPole-v1. Usage: generate.py FOLDER

The initial states are part of the file, as its random generator is not ours.
"""

import json
import sys
from pathlib import Path

import gymnasium


def balance(observation):
    x, speed, angle, turning = observation
    return int(angle + 0.3 * turning + 0.05 * x + 0.1 * speed > 0)


def drift(observation):
    _, speed, angle, turning = observation
    return int(angle + 0.3 * turning + 0.1 * (speed - 1.5) > 0)


def alternate(observation, toggle=[0]):
    toggle[0] ^= 1
    return toggle[0]


POLICIES = {"balance": balance, "drift": drift, "alternate": alternate, "left": lambda _: 0, "right": lambda _: 1}


def episode(name, policy, seed):
    environment = gymnasium.make("CartPole-v1")
    observation, _ = environment.reset(seed=seed)
    start = [float(x) for x in environment.unwrapped.state]
    actions, observations, rewards = [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action = policy(observation)
        observation, reward, terminated, truncated, _ = environment.step(action)
        actions.append(action)
        observations.append([float(x) for x in observation])
        rewards.append(float(reward))
    # Every step of the short ones, every tenth of the others.
    every = 1 if len(actions) < 60 else 10
    kept = [step for step in range(len(actions)) if step % every == 0 or step == len(actions) - 1]
    return {
        "name": f"{name} {seed}",
        "start": start,
        "actions": "".join(map(str, actions)),
        "steps": kept,
        "observations": [observations[step] for step in kept],
        "total": sum(rewards),
        "terminated": terminated,
        "truncated": truncated,
    }


folder = Path(sys.argv[1])
episodes = [episode(name, policy, seed) for seed in (1, 2) for name, policy in POLICIES.items()]
lines = ",\n".join(json.dumps(one) for one in episodes)
(folder / "cart_pole.json").write_text(f"[\n{lines}\n]\n")
