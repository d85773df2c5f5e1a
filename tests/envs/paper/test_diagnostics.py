"""What a run of the paper's tasks logs besides, and that nothing is logged elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextlat_rl.console import make_console
from nextlat_rl.data.batches import held_out_batch
from nextlat_rl.data.store import store_of_episodes
from nextlat_rl.envs import make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.envs.paper import WordProblemEnv
from nextlat_rl.envs.paper.diagnostics import log_task, words_batch
from nextlat_rl.envs.paper.groups import multiplication_table
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.training.build import build_model, window_length


class Spy:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.figures: list[str] = []

    def scalars(self, values: dict[str, float], step: int) -> None:
        self.values |= values

    def figure(self, tag: str, figure: Any, step: int) -> None:
        self.figures.append(tag)


@pytest.mark.parametrize(
    ("env_id", "figure", "values"),
    [
        ("NextLat/StreetMap-5x5-v0", "diagnostics/map", {"task/valid_trajectories", "task/detour_robustness"}),
        ("NextLat/Countdown-3x20-v0", "diagnostics/equations", {"task/equation_1_legal"}),
        (
            "NextLat/Running-S3-2-v0",
            "diagnostics/lengths",
            {"task/longest_words_trunk", "task/longest_words_recurrent"},
        ),
    ],
)
def test_each_task_logs_its_own(env_id: str, figure: str, values: set[str]) -> None:
    console = make_console(True)
    env = make_env(env_id)
    episodes = collect_episodes(env_id, "expert", episodes=40)
    store = store_of_episodes(env.observation_space, env.action_space, episodes)
    model = build_model(ModelConfig(2, 2, 32), ObjectiveConfig(), store, window_length(store)).eval()
    training, held_out = (held_out_batch(store, np.arange(first, first + 20)) for first in (0, 20))
    spy: Any = Spy()
    log_task(env_id, model, ["trunk", "recurrent"], training, held_out, spy, 1, console)
    assert spy.figures == [figure, "diagnostics/probes"]
    assert values <= set(spy.values) and all(0 <= spy.values[name] <= 1 for name in values)
    nothing: Any = Spy()
    log_task("CartPole-v1", model, ["trunk"], training, held_out, nothing, 1, console)
    assert not nothing.figures and not nothing.values


def test_words_of_a_batch_have_all_lengths_and_right_answers() -> None:
    env = WordProblemEnv("S3", longest=2, problems=4, asked=0.5)
    batch = words_batch(env, 6, 60)
    table, lengths = multiplication_table("S3"), set()
    for row in range(60):
        steps = int(batch.has_action[row].sum())
        word, product = batch.observation["observation"][row, :steps].tolist(), 0
        assert word.pop() == env.question
        for element in word:
            product = int(table[product, element])
        assert batch.action[row, :steps].tolist() == [env.wait] * (steps - 1) + [product]
        lengths.add(len(word))
    assert lengths == set(range(1, 7))
