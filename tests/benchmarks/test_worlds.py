"""World models that are compared: their parts, distributions, dreams, and the rows of the suite."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from benchmarks.options import Options
from benchmarks.rivals.worlds import cells
from benchmarks.rivals.worlds.cell_model import BINS, CellModel
from benchmarks.rivals.worlds.cells import CellWorld, bits, count, matching
from benchmarks.rivals.worlds.clock import Clock, rate
from benchmarks.rivals.worlds.dreamer import DreamerWorld, _Rows
from benchmarks.rivals.worlds.layout import Layout
from benchmarks.rows import Row
from benchmarks.suite import SUITES, chosen_parts
from benchmarks.suites.worlds import measured
from benchmarks.suites.worlds.tables import dreams_table, events_table, trust_table, worlds_table
from benchmarks.suites.worlds.tasks import MODELS, OPTIONS, QUICK, TASKS
from nextlat_rl.console import make_console
from nextlat_rl.data.batches import held_out_batch
from nextlat_rl.data.episode import Episode
from nextlat_rl.data.store import Store, store_of_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.spaces.categorical import GRID_CARDINALITIES
from tests.helpers.rows import made_row
from tests.helpers.toy_data import Nested

_SPACE = Dict(place=Discrete(3), lamps=MultiDiscrete([2, 2]))
_SHEEPRL = os.environ.get("NEXTLAT_SHEEPRL", "")  # a Python that has sheeprl


def _episode(
    observations: list[Any], actions: list[Any], rewards: list[float], ends: list[bool], cuts: list[bool]
) -> Episode:
    return Episode(
        seed=0,
        behaviour="random",
        observations=observations,
        actions=actions,
        rewards=rewards,
        terminations=ends,
        truncations=cuts,
    )


def _episodes(space: gym.Space, action: gym.Space, lengths: list[int]) -> Store:
    """Random episodes, half of which end for good; rewards are 0 or 1."""
    space.seed(0)
    action.seed(0)
    rng = np.random.default_rng(0)
    found = []
    for i, length in enumerate(lengths):
        seen, taken = [space.sample() for _ in range(length + 1)], [action.sample() for _ in range(length)]
        rewards = rng.integers(2, size=length).astype(float).tolist()
        last = [False] * (length - 1) + [True]
        ends, cuts = (last, [False] * length) if i % 2 else ([False] * length, last)
        found.append(_episode(seen, taken, rewards, ends, cuts))
    return store_of_episodes(space, action, found)


@pytest.fixture
def store() -> Store:
    return _episodes(_SPACE, Discrete(2), [4, 6, 3, 5, 1])


def test_parts_of_an_observation_are_split_and_joined() -> None:
    space = Dict(
        place=Discrete(4, start=-1), view=Nested.observation_space["view"], words=Nested.observation_space["words"]
    )
    env = Nested()
    observations = [env.reset(seed=i)[0] for i in range(8)]
    chosen = [{name: seen[name] for name in ("place", "view", "words")} for seen in observations]
    episode = _episode(chosen, [np.zeros(1, np.float32)] * 7, [0.0, 1.0] * 3 + [0.0], [False] * 7, [False] * 7)
    made = store_of_episodes(space, env.action_space, [episode])
    layout = Layout.of(made)
    seen = {name: torch.from_numpy(leaf) for name, leaf in made.observation.items()}
    fields, numbers = layout.split(seen)
    cell = int(np.prod(GRID_CARDINALITIES))
    assert layout.classes[:10].tolist() == [4, *[cell] * 9] and fields.shape == (8, len(layout.cardinality))
    assert torch.equal(layout.fields(layout.tokens(fields)), fields) and numbers.shape == (8, 0)
    for name, leaf in layout.join(fields, numbers).items():
        assert torch.equal(leaf, seen[name]) and leaf.dtype == seen[name].dtype


def test_images_have_no_parts() -> None:
    with pytest.raises(UserError, match="cannot split"):
        Layout(Box(0, 255, (32, 32, 3), np.uint8), {"observation": {}})


def test_the_transformers_answers_have_probabilities_that_add_up_to_one(store: Store) -> None:
    """Every answer to the first action of an episode: 2 ends, 2 rewards, 3 places, 2 x 2 lamps."""
    torch.manual_seed(0)
    model = CellModel(store, 16, 4, layers=2, heads=2)
    for parameter in model.parameters():  # far from uniform
        torch.nn.init.normal_(parameter, std=0.5)
    batch = held_out_batch(store, np.arange(1), 2)
    answers = list(itertools.product((False, True), (0.0, 1.0), range(3), range(2), range(2)))
    total = 0.0
    with torch.no_grad():
        for end, reward, place, *lamps in answers:
            batch.terminated[0, 0], batch.reward[0, 0] = end, reward
            batch.observation["place"][0, 1], batch.observation["lamps"][0, 1] = place, torch.tensor(lamps)
            found = model(batch)
            total += math.exp(float((found.end + found.reward)[0, 0] + found.observation[0, 0]))
    assert total == pytest.approx(1.0, abs=1e-4)


def test_a_numbers_density_integrates_to_one() -> None:
    made = _episodes(Box(-1, 1, (1,), np.float32), Discrete(2), [20, 20])
    torch.manual_seed(0)
    model = CellModel(made, 16, 2, layers=1, heads=2)
    tokens = torch.arange(BINS)[:, None]
    with torch.no_grad():
        density = model.log_prob(torch.randn(1, 1, 16).expand(BINS, 1, 16), tokens).exp()
    assert float((density * model.width_of_bin).sum()) == pytest.approx(1.0, abs=1e-4)
    seen = model.decode(tokens, torch.full((BINS, 1), 0.5))
    assert torch.equal(model.encode(seen), tokens)


def test_reading_on_gives_the_likelihood_of_whole_windows(store: Store) -> None:
    world = CellWorld(5_000, 2)
    world.fit(store, np.arange(5), 0.0, 0)
    batch = held_out_batch(store, np.arange(4))
    with torch.no_grad():
        found = world.model(batch)
    has = batch.has_next
    nats = {name: -float(getattr(found, name)[has].sum()) for name in ("reward", "end", "observation")}
    assert world.answer_bits(batch) == pytest.approx(bits(nats, int(has.sum())), abs=1e-4)


class _Steps(Clock):
    """A clock by which training takes so many steps, however fast the machine is."""

    def __init__(self, steps: float) -> None:
        super().__init__(1.0)
        self._steps, self._read = steps, 0

    @property
    def share(self) -> float:
        """It is read twice a step."""
        self._read += 1
        return min(self._read / 2 / self._steps, 1.0)


def test_the_transformer_learns_and_dreams_what_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places go round, action or not, and the third step ends with a reward of 1."""
    round_trip = _episode([0, 1, 2, 0], [0, 1, 0], [0.0, 0.0, 1.0], [False, False, True], [False] * 3)
    made = store_of_episodes(Discrete(3), Discrete(2), [round_trip] * 20)
    world = CellWorld(10_000, 4)
    monkeypatch.setattr(cells, "Clock", _Steps)
    world.fit(made, np.arange(20), 500, 0)
    assert world.answer_bits(held_out_batch(made, np.arange(2)))["total"] < 0.3
    dream = world.dream({"observation": torch.zeros(16, dtype=torch.uint8)}, 6, 0)
    assert dream.returns.mean() > 0.7
    assert (dream.length == 3).mean() > 0.7
    usual = dream.observation["observation"][:, :4] == np.array([0, 1, 2, 0])
    assert usual[dream.length >= 3].mean() > 0.9 and not dream.reward[~dream.taken].any()
    assert (dream.ended.argmax(1) == dream.length - 1)[dream.ended.any(1)].all()
    assert world.dream_seconds > 0


def test_a_width_is_chosen_for_about_as_many_parameters() -> None:
    assert matching(lambda width: torch.nn.Linear(width, width, bias=False), 64**2 + 5) == 64
    assert count(torch.nn.Linear(3, 2)) == 8


def test_the_learning_rate_warms_up_and_cools_down_with_the_time_spent() -> None:
    assert rate(0.0) < 0.1 and rate(0.3) == 1.0 and rate(1.0) == pytest.approx(0.1)


@pytest.mark.parametrize("action", [Discrete(3), Box(-2, 2, (2,), np.float32)])
def test_sheeprl_gets_each_observation_with_what_led_to_it(action: gym.Space) -> None:
    made = _episodes(_SPACE, action, [4, 6, 3])
    rows = _Rows(made)
    flat, batch = rows.of_episodes(made, np.array([0, 2])), held_out_batch(made, np.array([0, 2]))
    windows = rows.of_batch(batch)
    for name in ("fields", "numbers", "reward_lower", "reward_weight", "is_first", "ended", "action"):
        mine = np.swapaxes(windows[name], 0, 1)[batch.valid.numpy()]
        known = 1 - flat["is_first"] if name in ("reward_lower", "ended", "action") else np.ones(len(mine))
        known = known.reshape(-1, *[1] * (mine.ndim - 1))
        assert np.allclose(mine * known, flat[name] * known), name
    assert windows["counted"].sum() == 4 + 3 and flat["has_next"].sum() == 4 + 3
    lower, weight = torch.from_numpy(flat["next_lower"]), torch.from_numpy(flat["next_weight"])
    back = rows.stored_actions(lower).float() * (1 - weight.squeeze(-1)) if isinstance(action, Discrete) else None
    if back is not None:
        starts = made.episode_start[[0, 2]]
        assert back[: 4 + 1].tolist() == made.action[starts[0] : starts[0] + 5].tolist()
    else:
        upper = rows.stored_actions((lower + 1).clamp_max(40))
        mixed = torch.lerp(rows.stored_actions(lower), upper, weight)
        assert np.allclose(mixed[:4], made.action[:4], atol=1e-5)


def test_a_python_without_sheeprl_is_named(store: Store) -> None:
    world = DreamerWorld(sys.executable, 10_000)
    with pytest.raises(UserError, match=r"does sheeprl=.* name a Python that has sheeprl"):
        world.fit(store, np.arange(5), 0.0, 0)
    world.close()
    with pytest.raises(UserError, match="does not start"):
        DreamerWorld("/nowhere/python", 10_000)


@pytest.mark.skipif(not _SHEEPRL, reason="NEXTLAT_SHEEPRL names no Python that has sheeprl")
def test_sheeprls_bound_is_below_the_likelihood_summed_over_all_latents() -> None:
    helper = Path(__file__).parents[1] / "helpers" / "sheeprl_bound.py"
    subprocess.run([_SHEEPRL, str(helper)], check=True)


@pytest.mark.skipif(not _SHEEPRL, reason="NEXTLAT_SHEEPRL names no Python that has sheeprl")
@pytest.mark.parametrize("action", [Discrete(2), Box(-2, 2, (2,), np.float32)])
def test_sheeprls_world_is_fitted_asked_and_dreamed_in(action: gym.Space) -> None:
    space = Dict(place=Discrete(3), speed=Box(-1, 1, (2,), np.float32))
    made = _episodes(space, action, [4, 6, 3, 5] * 10)
    world = DreamerWorld(_SHEEPRL, 10_000)
    world.fit(made, np.arange(40), 0.5, 0)
    batch = held_out_batch(made, np.arange(4))
    found = world.answer_bits(batch)
    assert found["total"] == pytest.approx(sum(found[name] for name in found if name != "total"))
    first = {name: leaf[:, 0] for name, leaf in batch.observation.items()}
    dream = world.dream(first, 7, 0)
    assert dream.observation["speed"].shape[0] == 4 and dream.taken[:, 0].all()
    assert np.array_equal(dream.observation["place"][:, 0], first["place"])
    assert world.player(4, 0).act(first, torch.zeros(4)).shape == dream.action[:, 0].shape
    world.close()


@pytest.mark.parametrize(("part", "models"), [("FourRooms", "ours+trunk"), ("CartPole", "")])
def test_a_row_has_every_figure(part: str, models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measured, "QUICK", (*QUICK, "trainer.steps=3", "trainer.dynamics_finetune_steps=1"))
    rows = list(measured.rows(part, 0, Options(quick=True, models=models), make_console(True)))
    assert [row.agent for row in rows] == ["ours", "ours, by the trunk", "per-cell transformer"][: 2 if models else 3]
    for row in rows:
        figures = ["answer_bits_total", "answer_is_bound", "train_seconds", "trust_horizon", "trust_auc", "events"]
        figures += ["imagined_gap", "imagined_gap_ci_low", "imagined_gap_ci_high", "impossible_returns", "dreams"]
        figures += ["exist_share", "exist_share_real", "contradictions_per_step"] if models else ["nearest_distance"]
        assert all(row.figure(name) is not None for name in figures)
        gap = row.figure("imagined_return_mean") - row.return_mean
        assert row.figure("imagined_gap") == pytest.approx(gap, abs=1e-4)
        assert row.episodes == row.figure("dreams") == 32
    first, second = (row.figure("imagined_return_mean") for row in rows[:2])
    assert rows[0].figure("answer_bits_total") == rows[1].figure("answer_bits_total") and first != second


def test_models_are_chosen_by_name() -> None:
    console = make_console(True)
    assert measured._wanted(Options(), console) == ["ours", "trunk", "cells"]
    assert measured._wanted(Options(sheeprl="python"), console) == list(MODELS)
    assert measured._wanted(Options(models="cells+ours"), console) == ["cells", "ours"]
    with pytest.raises(UserError, match="models=mine is unknown"):
        measured._wanted(Options(models="ours+mine"), console)
    with pytest.raises(UserError, match="models=dreamer needs sheeprl="):
        measured._wanted(Options(models="dreamer"), console)


@pytest.mark.parametrize("name", TASKS)
def test_the_main_job_knows_every_task(name: str) -> None:
    config = compose("train", TrainConfig, [f"env={TASKS[name]}", *OPTIONS])
    assert config.env.id.startswith(TASKS[name]) and config.objective.policy_temperature == 0
    assert chosen_parts(SUITES.load("worlds"), Options(only=name)) == [name]


def test_tables_show_bounds_and_leave_out_what_does_not_apply() -> None:
    figures = {"answer_bits_total": 4.0, "imagined_return_mean": 2.0, "imagined_gap": 1.0, "train_seconds": 60.0}
    rows = [
        made_row("A", "ours", suite="worlds", return_mean=1.0, extra=figures | {"answer_is_bound": False}),
        made_row("A", "RSSM", suite="worlds", return_mean=1.0, extra=figures | {"answer_is_bound": True}),
    ]
    lines = worlds_table(rows).lines
    assert lines[0][:6] == ["A", "ours", "4.00", "1.000", "2.000", "+1.000"] and lines[1][2] == "<= 4.00"
    assert dreams_table(rows).lines[0] == ["A", "ours", "", "", "", "", "60", "", ""]


def test_tables_of_horizons_and_of_events_are_means_over_seeds() -> None:
    def row(seed: int, auc: float, real: list[float | None]) -> Row:
        event = {"name": "a goal is in view for the first time", "real": real, "imagined": [None] * len(real)}
        extra = {"trust_auc": {"1": auc}, "events": [event], "impossible_returns": 1, "dreams": 500}
        return made_row("A", "ours", seed, suite="worlds", extra=extra)

    rows = [row(0, 0.5, [0.1, 0.2]), row(1, 0.6, [0.3, None, 0.5])]
    assert trust_table(rows).lines[0][:4] == ["A", "ours", "0.55", ""]
    assert events_table(rows).lines[0][2:] == ["a goal is in view", "real", "0.2000", "0.2000", "0.5000", "", ""]
    assert worlds_table(rows).lines[0][9] == "2"
