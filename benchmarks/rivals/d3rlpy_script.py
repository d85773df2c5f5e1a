"""Trains behaviour cloning or CQL with d3rlpy. Run by a Python of its own, because d3rlpy pins another gymnasium.

`python d3rlpy_script.py data.npz policy.pt bc|cql STEPS SEED`; imports nothing of this project. The policy is
written as TorchScript: features `[N, F]` in, actions `[N]` out.
"""

from __future__ import annotations

import sys

import d3rlpy
import numpy as np
import torch


def main(data: str, policy: str, algorithm: str, steps: int, seed: int) -> None:
    """Fit on the arrays of `data` and write `policy`."""
    torch.set_num_threads(1)
    d3rlpy.seed(seed)
    arrays = np.load(data)
    dataset = d3rlpy.dataset.MDPDataset(
        observations=arrays["observations"],
        actions=arrays["actions"],
        rewards=arrays["rewards"],
        terminals=arrays["terminals"],
        timeouts=arrays["timeouts"],
        action_space=d3rlpy.ActionSpace.DISCRETE,
        action_size=int(arrays["action_size"]),
    )
    config = {"bc": d3rlpy.algos.DiscreteBCConfig, "cql": d3rlpy.algos.DiscreteCQLConfig}[algorithm]
    learner = config(batch_size=256, learning_rate=3e-4).create(device="cpu")
    learner.fit(
        dataset,
        n_steps=steps,
        n_steps_per_epoch=steps,
        show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    learner.save_policy(policy)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
