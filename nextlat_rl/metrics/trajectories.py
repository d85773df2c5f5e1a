"""Real and imagined episodes in one form, so that they can be compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextlat_rl.data.episode import Episode
from nextlat_rl.world_model import WorldModel

_CHUNK = 25  # imagined steps whose beliefs are in memory at a time


@dataclass(frozen=True)
class Trajectories:
    """N episodes of at most K steps in stored form; what lies beyond an episode's length is padding."""

    observation: dict[str, np.ndarray]  # leaf -> [N, K + 1, *leaf], the first observation included
    action: np.ndarray  # [N, K, *action]
    reward: np.ndarray  # [N, K]
    ended: np.ndarray  # [N, K] bool, the step ended the episode for good
    length: np.ndarray  # [N] steps

    @property
    def taken(self) -> np.ndarray:
        """`[N, K]` bool, whether the episode has this step."""
        return np.arange(self.reward.shape[1]) < self.length[:, None]

    @property
    def returns(self) -> np.ndarray:
        """Undiscounted returns `[N]`."""
        return np.where(self.taken, self.reward, 0.0).sum(1)


def stored_episodes(world_model: WorldModel, episodes: Sequence[Episode]) -> Trajectories:
    """Recorded episodes in the stored form of the model's codecs."""
    steps = max(len(episode) for episode in episodes)
    flat = world_model.encode_observations([o for episode in episodes for o in episode.observations])
    action = world_model.encode_actions([a for episode in episodes for a in episode.actions])
    lengths = np.array([len(episode) for episode in episodes])
    return Trajectories(
        observation={name: _padded(leaf.cpu().numpy(), lengths + 1, steps + 1) for name, leaf in flat.items()},
        action=_padded(action.cpu().numpy(), lengths, steps),
        reward=_padded(np.array([r for e in episodes for r in e.rewards], np.float32), lengths, steps),
        ended=_padded(np.array([t for e in episodes for t in e.terminations], bool), lengths, steps),
        length=lengths,
    )


@torch.no_grad()
def dreams(
    world_model: WorldModel,
    first_observations: Sequence[Any],
    horizon: int,
    seed: int = 0,
    deterministic: bool = False,
    on_step: Callable[[int], None] = lambda steps: None,
) -> Trajectories:
    """Episodes of the policy in closed-loop imagination, each transition drawn, from the given first observations.

    Args:
        world_model: the trained model.
        first_observations: N elements of the observation space.
        horizon: steps after which an episode that the model does not end is cut.
        seed: keys all draws.
        deterministic: the policy takes its most likely actions.
        on_step: called with the number of steps imagined so far.
    """
    first = world_model.first_step(first_observations)
    belief = world_model.observe(first, world_model.memory(len(first_observations)))
    observed = {name: [leaf.cpu().numpy()[:, None]] for name, leaf in first.observation.items()}
    parts: list[tuple[np.ndarray, ...]] = []  # action, reward, alive, goes on; each [N, steps of the chunk, ...]
    alive = torch.ones(len(first_observations), dtype=torch.float32, device=world_model.device)
    for done in range(0, horizon, _CHUNK):
        steps, key = min(_CHUNK, horizon - done), seed * 1_000_003 + done
        dream = world_model.imagine(belief, horizon=steps, rollout="sample", seed=key, deterministic=deterministic)
        goes_on = torch.cat((dream.alive[:, 1:], dream.running[:, None]), 1)
        tensors = (dream.action, dream.reward, alive[:, None] * dream.alive, alive[:, None] * goes_on)
        parts.append(tuple(_numpy(tensor) for tensor in tensors))
        for name, leaf in dream.observation.items():
            observed[name].append(_numpy(leaf))
        belief, alive = dream.belief[:, -1], alive * dream.running
        on_step(done + steps)
        if not alive.any():
            break
    action, reward, taken, after = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return Trajectories(
        observation={name: np.concatenate(leaf, axis=1) for name, leaf in observed.items()},
        action=action,
        reward=reward,
        ended=(taken > 0) & (after == 0),
        length=(taken > 0).sum(1),
    )


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


def _padded(rows: np.ndarray, lengths: np.ndarray, steps: int) -> np.ndarray:
    """Rows `[sum(lengths), ...]` of episodes after each other to `[N, steps, ...]`, zeros behind each episode."""
    out = np.zeros((len(lengths), steps, *rows.shape[1:]), rows.dtype)
    out[np.arange(steps) < lengths[:, None]] = rows
    return out
