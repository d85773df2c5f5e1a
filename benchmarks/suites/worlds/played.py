"""Real episodes of a world's policy, in stored form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.rivals.worlds import Player, World
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.metrics.trajectories import Trajectories, stored_episodes
from nextlat_rl.world_model import WorldModel


def played(world: World, world_model: WorldModel, env_id: str, seeds: list[int], horizon: int) -> Trajectories:
    """Play an episode for each seed side by side, all for at most `horizon` steps.

    Args:
        world: whose policy acts.
        world_model: has the codecs of the stored form.
        env_id: the environment.
        seeds: of the episodes.
        horizon: steps.

    """
    agent = _Acting(world.player(len(seeds), seed=0), world_model)
    found, _ = run_episodes(env_id, agent, seeds, len(seeds), trajectory_steps=horizon)
    return stored_episodes(world_model, [result.trajectory for result in found if result.trajectory is not None])


class _Acting:
    """A player among elements of the environment's spaces; rows whose episode is over go on unheeded."""

    def __init__(self, player: Player, world_model: WorldModel) -> None:
        self._player, self._codecs = player, world_model

    def act(
        self, observations: Sequence[Any], rewards: Sequence[float], is_first: Sequence[bool], episodes: Sequence[int]
    ) -> list[Any]:
        """See `BatchAgent.act`."""
        seen = self._codecs.encode_observations(observations)
        return self._codecs.decode_actions(self._player.act(seen, torch.tensor(rewards, dtype=torch.float32)))
