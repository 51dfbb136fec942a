"""Writes episodes as NumPy's archives, in the layout of D4RL and of gymnasium. Usage: generate.py FOLDER"""

import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
steps = np.arange(7)
# Two episodes: the first ends by itself after 3 steps, the second is cut off after 7.
ends = {"terminals": steps == 2, "timeouts": steps == 6}
observations = np.stack([steps, steps / 4, -steps], 1)
rewards = (steps % 3).astype(np.float32)
np.savez(
    folder / "discrete.npz",
    observations=observations.astype(np.float64),
    actions=steps % 4,
    rewards=rewards,
    **ends,
    **{"infos/goal": observations},
)
np.savez_compressed(
    folder / "continuous.npz",
    observations=observations.astype(np.float32),
    actions=np.stack([steps / 8, -steps], 1).astype(np.float32),
    rewards=rewards[:, None],
    terminations=(steps == 3).astype(np.uint8),
)
np.savez(folder / "endless.npz", observations=observations, actions=steps % 4, rewards=rewards)
np.savez(folder / "short.npz", observations=observations, actions=steps[:5], rewards=rewards, **ends)
np.savez(folder / "nan.npz", observations=observations, actions=steps % 4, rewards=np.where(steps == 5, np.nan, 0.0), **ends)
np.savez(folder / "negative.npz", observations=observations, actions=steps - 1, rewards=rewards, **ends)
