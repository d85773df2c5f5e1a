"""Lossless speculative acting takes the actions of deciding at every step, in fewer calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import pytest
import torch

from nextlat_rl.agents.agent import ActsInBatches, Agent
from nextlat_rl.agents.episodes import run_episodes
from nextlat_rl.agents.planning.planner import build_planner
from nextlat_rl.agents.speculative import SpeculativeAgent
from nextlat_rl.commands.setup import value_statistics
from nextlat_rl.config import PlannerSettings, TrainerConfig
from nextlat_rl.data.batches import Batcher
from nextlat_rl.data.minari_io import write_dataset
from nextlat_rl.data.store import build_store
from nextlat_rl.drafting.length import AdaptiveLength, DraftLength, FixedLength
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.models.nextlat import ModelConfig, NextLat, Spaces
from nextlat_rl.models.objective import ObjectiveConfig
from nextlat_rl.models.transformer import TrunkConfig
from nextlat_rl.training import Trainer
from nextlat_rl.world_model import WorldModel
from tests.tiny import cartpole_model


class Ring(gym.Env):
    """Eight places in a ring; action 1 steps forward, 0 stays, and every eleventh step a storm blows one place back."""

    observation_space = gym.spaces.Discrete(8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.time = int(self.np_random.integers(8)), int(self.np_random.integers(11))
        return self.place, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.time += 1
        self.place = (self.place + int(action) - (self.time % 11 == 0)) % 8
        return self.place, float(self.place == 0), bool(self.np_random.random() < 0.02), False, {}


class Recorder:
    """Keeps every action by episode."""

    def __init__(self, agent: ActsInBatches) -> None:
        self.agent, self.actions = agent, dict[int, list[Any]]()

    def act(
        self,
        observations: Sequence[Any],
        rewards: Sequence[float],
        is_first: Sequence[bool],
        episodes: Sequence[int],
    ) -> list[Any]:
        actions = self.agent.act(observations, rewards, is_first, episodes)
        for episode, action in zip(episodes, actions, strict=True):
            self.actions.setdefault(episode, []).append(action)
        return actions


def played(env_id: str, agent: ActsInBatches, n_envs: int, episodes: int) -> dict[int, list[Any]]:
    """The actions of every episode."""
    recorder = Recorder(agent)
    results, _ = run_episodes(env_id, recorder, range(episodes), n_envs)
    return {result.seed: recorder.actions[result.seed][: result.length] for result in results}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    """A model trained for a few seconds on random walks round the ring."""
    if "Ring-v0" not in gym.registry:
        gym.register("Ring-v0", entry_point=Ring, max_episode_steps=40)
    folder = tmp_path_factory.mktemp("ring")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
        walks = collect_episodes("Ring-v0", "random", episodes=200)
        data = write_dataset(
            "test/ring-v0", "Ring-v0", Ring.observation_space, Ring.action_space, walks, behaviour="random"
        )
        store = build_store(data, folder / "cache")
    torch.manual_seed(0)
    statistics = {**store.statistics, "value": value_statistics(store, 0.9)}
    spaces = Spaces(store.observation_space, store.action_space, statistics)
    model = NextLat(spaces, ModelConfig(TrunkConfig(2, 2, 32, 16), 32))
    settings = TrainerConfig(steps=150, follow_steps=0, batch_size=16, learning_rate=4e-3, warmup=10)
    objective = ObjectiveConfig(horizon=3, policy_temperature=0.3, observation_weight=1.0)
    trainer = Trainer(model, Batcher(store, 16, 16, 0), objective, settings, 0)
    while trainer.step < trainer.total_steps:
        trainer.train_step()
    return WorldModel(model, "Ring-v0", discount=0.9)


@pytest.mark.parametrize("planner", ["none", "lookahead"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_actions_are_those_of_deciding_at_every_step(ring: WorldModel, planner: str, deterministic: bool) -> None:
    settings = PlannerSettings(planner, depth=2, width=4)

    def search() -> Any:
        return build_planner(ring, settings, deterministic, 0)

    plain = played("Ring-v0", Agent(ring, 5, "trunk", deterministic, 0, search()), 5, 12)
    assert sum(map(len, plain.values())) > 200
    lengths: list[DraftLength] = [FixedLength(0), FixedLength(1), FixedLength(4), AdaptiveLength(6)]
    for length in lengths:
        agent = SpeculativeAgent(ring, 3, length, deterministic, 0, search())
        assert played("Ring-v0", agent, 3, 12) == plain
        calls = agent.summary(planned=planner != "none")["trunk_calls_per_step"]
        assert calls == 1 if length.longest == 0 else calls < 0.9


def test_wrong_drafts_change_speed_and_nothing_else(ring: WorldModel) -> None:
    plain = played("Ring-v0", Agent(ring, 2, "trunk", False, 0), 2, 6)
    agent = SpeculativeAgent(ring, 2, FixedLength(3), False, 0)
    right = agent.guess
    agent.guess = lambda belief, episode, step: 1 - right(belief, episode, step)
    assert played("Ring-v0", agent, 2, 6) == plain
    assert agent.summary(planned=False)["trunk_calls_per_step"] > 0.95  # an environment without an episode left idles
    assert agent.statistics.kept[0] < 0.05 * agent.statistics.reached[0]


def test_continuous_observations_never_come_true_exactly_and_cost_only_time() -> None:
    world_model = WorldModel(cartpole_model().eval(), "CartPole-v1")
    plain = played("CartPole-v1", Agent(world_model, 2, "trunk", True), 2, 4)
    agent = SpeculativeAgent(world_model, 2, FixedLength(2), True)
    assert played("CartPole-v1", agent, 2, 4) == plain
    assert agent.statistics.accepted == 0
