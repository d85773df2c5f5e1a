"""The main job takes any environment: unusual spaces, no end, no picture; what goes wrong at the end costs itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from matplotlib.figure import Figure

from nextlat_rl import load_dataset, notices
from nextlat_rl.agents.episodes import EARLY
from nextlat_rl.data.minari_io import TakenError, write_dataset
from nextlat_rl.envs import guard, make_env
from nextlat_rl.envs.episodes import collect_episodes
from nextlat_rl.errors import UserError
from nextlat_rl.jobs import collection, suitability, training_run
from nextlat_rl.jobs.compose import compose
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.resume import resumed_config
from nextlat_rl.jobs.training_run import train_model
from nextlat_rl.train import main
from nextlat_rl.training.checkpoint import load_config
from nextlat_rl.training.tracking import Tracker
from nextlat_rl.world_model import WorldModel
from tests.helpers.unusual import Small, raises, register

SMALLEST = [
    *("trainer=smoke", "trainer.steps=4", "trainer.dynamics_finetune_steps=2", "trainer.save_every=4"),
    *("trainer.eval_every=0", "trainer.eval_episodes=4", "trainer.diagnosis_episodes=4", "collect.steps=120"),
    *("trainer.threads=1", "model.width=16", "model.layers=1", "model.dynamics_width=16", "device=cpu"),
    "collect.behaviour=random",
]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(notices, "_SAID", {})
    monkeypatch.chdir(tmp_path)


def trained(env: str, *options: str, data: str = "auto") -> Any:
    return train_model(env, data, [*SMALLEST, *options], quiet=True)


class Everything(Small):
    """Keys that modules cannot have, observations written over, actions from 5 on, no end, no picture."""

    parts = ("observation.state", "type", "values", "training", "a b/c".replace("/", "%"), "leaf:x", "ü")
    observation_space = gym.spaces.Dict({name: gym.spaces.Box(-1, 1, (2,), np.float32) for name in parts})
    action_space = gym.spaces.MultiDiscrete([2, 3], start=[5, -1])
    length = 10**9

    def __init__(self, render_mode: str | None = None, colour: str = "red") -> None:
        super().__init__(render_mode)
        self.colour = colour
        self.seen: dict[str, Any] = {name: np.zeros(2, np.float32) for name in self.parts}

    def observe(self) -> Any:
        for part in self.seen.values():
            part[:] = self.np_random.uniform(-1, 1, 2)
        return self.seen

    def reward(self) -> Any:
        return np.array([float(self.colour == "blue")])

    def render(self) -> Any:
        raise RuntimeError("no OpenGL context")


def test_keys_actions_endless_episodes_missing_pictures_and_arguments_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LONGEST", 30)
    monkeypatch.setattr("nextlat_rl.envs.factory.LONGEST", 30)
    name = register("Everything", Everything)
    with pytest.warns(notices.NextLatWarning) as heard:
        run = trained(name, "env.kwargs.colour=blue")
    said = sorted(str(warning.message) for warning in heard if warning.category is notices.NextLatWarning)
    assert len(said) == 2 and "cut after 30 steps" in said[0] and "no OpenGL context" in said[1]
    assert run.rows[0]["return_mean"] == 30.0  # blue
    saved = load_config(run.folder)
    assert saved["env_id"] == f'{name}{{"colour": "blue"}}'
    assert saved["train_config"]["env"]["kwargs"] == {"colour": "blue"}
    assert load_dataset(saved["dataset_id"]).storage.metadata["env_id"] == saved["env_id"]
    loaded = WorldModel.load(run.folder, "cpu")
    observation = make_env(name).reset(seed=0)[0]
    assert list(loaded.observe(loaded.first_step([observation]), loaded.memory(1)).shape) == [1, loaded.belief_size]
    assert json.loads((run.folder / "results.json").read_text()) == run.rows


def test_a_module_names_the_environment_for_data_rounds_and_evaluation() -> None:
    run = trained("tests.helpers.unusual_module:Dot.Name-v0", "rounds=2", "round_steps=60")
    assert {row.get("round") for row in run.rows} == {None, 2}
    assert run.rows[0]["env"] == "tests.helpers.unusual_module:Dot.Name-v0"


def test_one_episode_is_enough_to_train_on() -> None:
    name = register("Single")
    write_dataset(
        "test/single-v0",
        name,
        Small.observation_space,
        Small.action_space,
        collect_episodes(name, "random", episodes=1),
        behaviour="random",
    )
    with pytest.warns(notices.NextLatWarning, match="one episode, so none is held out"):
        run = trained(name, data="test/single-v0")
    assert run.rows[0]["return_mean"] == run.rows[0]["return_mean"]


def test_memory_is_bounded_however_long_the_longest_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = iter([3] * 60 + [400])
    name = register("Uneven", length=10**6)
    monkeypatch.setattr(training_run, "_MASK", 10_000)
    monkeypatch.setattr("nextlat_rl.training.build.HELD_OUT", 0.5)
    monkeypatch.setattr(training_run, "HELD_OUT", 0.5)
    read: list[tuple[int, ...]] = []
    batch = training_run.held_out_batch

    def watched(*arguments: Any) -> Any:
        found = batch(*arguments)
        read.append(tuple(found.valid.shape))
        return found

    monkeypatch.setattr(training_run, "held_out_batch", watched)
    episodes = []
    for i, length in enumerate(lengths):
        (episode,) = collect_episodes(f'{name}{{"max_episode_steps": {length}}}', "random", episodes=1, seed=i)
        episodes.append(episode)
    write_dataset("test/uneven-v0", name, Small.observation_space, Small.action_space, episodes, behaviour="random")
    trained(name, "env.kwargs.max_episode_steps=5", data="test/uneven-v0")
    assert len(read) == 3
    assert all(rows * length**2 <= 10_000 for rows, length in read[1:])


def test_imagined_and_real_return_are_of_the_same_steps() -> None:
    name = register("Thousand", length=EARLY + 100, reward=lambda env: 1.0)
    run = trained(name, "trainer.diagnosis_episodes=0", "trainer.eval_episodes=2")
    assert run.rows[0]["return_mean"] == EARLY + 100
    assert run.rows[0]["real_return_mean"] == run.rows[0]["gap_horizon"] == EARLY


def test_an_environment_that_fails_in_an_evaluation_does_not_stop_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(self: Small) -> Any:  # only on the diagnosis' seeds, which the curve uses too
        if self.seen_seed >= 9_000_000 and self.seen_seed < 10_000_000 and self.time == 3:
            raise RuntimeError("motor stuck")
        return np.zeros(3, np.float32)

    def reset(self: Small, *, seed: int | None = None, options: Any = None) -> Any:
        self.seen_seed = seed or 0
        return Small.reset(self, seed=seed)

    name = register("Fragile", observe=fragile, reset=reset)
    with pytest.warns(notices.NextLatWarning) as heard:
        run = trained(name, "trainer.eval_every=2")
    said = " ".join(str(warning.message) for warning in heard)
    assert "the evaluation after 2 steps of training is left out" in said and "motor stuck" in said
    assert "the comparison of dreams with reality is left out" in said
    assert run.rows[0]["episodes"] == 4


def test_a_failing_final_evaluation_says_where_the_model_is() -> None:
    def fragile(self: Small) -> Any:
        return raises(RuntimeError("motor stuck")) if self.seen_seed >= 9_000_000 else np.zeros(3, np.float32)

    def reset(self: Small, *, seed: int | None = None, options: Any = None) -> Any:
        self.seen_seed = seed or 0
        return Small.reset(self, seed=seed)

    name = register("FragileAtLast", observe=fragile, reset=reset)
    with (
        pytest.warns(notices.NextLatWarning, match="comparison"),
        pytest.raises(UserError, match=r"motor stuck.*the trained model is kept in runs/"),
    ):
        trained(name)
    assert WorldModel.load(next(Path("runs").glob("*/*")), "cpu").env_id == name


def test_what_cannot_be_drawn_or_written_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda *a, **k: raises(OSError(30, "Read-only file system")))
    monkeypatch.setattr("nextlat_rl.training.tracking.SummaryWriter.add_hparams", lambda *a, **k: raises(KeyError("x")))
    monkeypatch.setattr(training_run, "write_json", lambda *a: raises(OSError(30, "Read-only file system")))
    with pytest.warns(notices.NextLatWarning) as heard:
        run = trained(register("Plainest"))
    said = " ".join(str(warning.message) for warning in heard)
    assert "the picture diagnosis is left out" in said and "results.json is left out" in said
    assert "TensorBoard's table of settings is left out: KeyError" in said
    assert run.rows[0]["episodes"] == 4


def test_a_failing_improvement_leaves_the_policys_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "improved_report", lambda *a: raises(UserError("motor stuck")))
    with pytest.raises(UserError, match="motor stuck; the trained model is kept in"):
        trained(register("Unimproved"), "improve=imagination")
    (results,) = Path("runs").glob("*/*/results.json")
    assert json.loads(results.read_text())[0]["episodes"] == 4


def test_a_folder_that_takes_no_events_costs_tensorboard_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(notices.NextLatWarning, match="TensorBoard's record") as heard:
        tracker = Tracker(tmp_path / "file" / "run")
        tracker.scalars({"a": 1.0}, 0)
        tracker.text("b", "c")
        tracker.hparams({"d": 1}, {"e": 1.0}, 0)
        tracker.close()
    assert len(heard) == 1


REFUSED = {
    "sequence": ({"observation_space": gym.spaces.Sequence(gym.spaces.Discrete(2))}, "Sequence"),
    "tuple action": ({"action_space": gym.spaces.Tuple([gym.spaces.Discrete(2)] * 2)}, "action space Tuple"),
    "charset": ({"observation_space": gym.spaces.Text(3, charset=[chr(i) for i in range(300, 600)])}, "300 characters"),
    "wide action": ({"action_space": gym.spaces.Box(-1.7e308, 1.7e308, (1,), np.float64)}, "narrow its bounds"),
    "slash": ({"observation_space": gym.spaces.Dict({"a/b": gym.spaces.Discrete(2)})}, "'a/b'"),
    "small image": ({"observation_space": gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)}, "16x16 or larger"),
    "text": (
        {"observation_space": gym.spaces.Text(3, charset="ab"), "observe": lambda env: "xyz"},
        "characters outside its space",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_model_is_made_for_is_refused_before_a_step_is_gathered(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, words = REFUSED[kind]
    monkeypatch.setattr(collection, "collect_episodes", lambda *a, **k: pytest.fail("gathered"))
    with pytest.raises(UserError) as stop:
        trained(register(f"Refused{kind.title().replace(' ', '')}", **parts))
    assert words in str(stop.value) and "\n" not in str(stop.value)


def test_large_float_images_are_pixels() -> None:
    space = gym.spaces.Box(0, 255, (40, 40, 3), np.float32)
    suitability.check_environment(make_env(register("FloatImage", observation_space=space)), 0)


@pytest.mark.parametrize("setting", ["MINARI_DATASETS_PATH", "NEXTLAT_CACHE", "runs="])
def test_folders_that_cannot_be_written_are_found_out_first(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(collection, "collect_episodes", lambda *a, **k: pytest.fail("gathered"))
    options = []
    if setting == "runs=":
        options = [f"runs={tmp_path / 'file' / 'runs'}"]
    else:
        monkeypatch.setenv(setting, str(tmp_path / "file" / "data"))
    with pytest.raises(UserError, match=f"cannot write to .*file.*{setting}"):
        trained(register("Unwritable"), *options)


def test_two_first_runs_at_once_share_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    name = register("Twice")

    def slow(*arguments: Any, **settings: Any) -> Any:
        """Before this process is done another one writes the same data set."""
        episodes = list(collect_episodes(*arguments, **settings))
        monkeypatch.setattr(collection, "collect_episodes", collect_episodes)
        other.append(collection.collect_dataset(name, "random", 50, quiet=True))
        yield from episodes

    other: list[Any] = []
    monkeypatch.setattr(collection, "collect_episodes", slow)
    mine = collection.collect_dataset(name, "random", 50, quiet=True)
    assert mine.id == other[0].id and mine.total_steps == other[0].total_steps
    with pytest.raises(TakenError):
        write_dataset(mine.id, name, Small.observation_space, Small.action_space, [], behaviour="random")


class Talks(Small):
    """Prints at every step."""

    def step(self, action: Any) -> Any:
        print("a line from the environment")
        return super().step(action)


def test_only_json_stands_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = register("Talks", Talks)
    options = [f"env={name}", "json=true", "collect.workers=1", *SMALLEST]
    monkeypatch.setattr(sys, "argv", ["train", *options])
    main()
    out, err = capfd.readouterr()
    assert json.loads(out)[0]["env"] == name
    assert "a line from the environment" in err


@pytest.mark.parametrize(
    "option", ["+anything=1", "+trainer.stepps=5", "++trainer.stepps=5", "~trainer", "env.kwargz.a=1"]
)
def test_unknown_options_are_refused_however_spelt(option: str) -> None:
    with pytest.raises(UserError) as stop:
        compose("train", TrainConfig, [option])
    assert option.strip("+~").partition("=")[0].removesuffix(".a") in str(stop.value)


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_free_names_need_no_plus(plus: str) -> None:
    config = compose("train", TrainConfig, [f"{plus}env.kwargs.size=3", f"{plus}collect.sb3.n_envs=4"])
    assert config.env.kwargs == {"size": 3} and config.collect.sb3 == {"n_envs": 4}


def test_a_resumed_run_refuses_what_it_cannot_change() -> None:
    folder = trained(register("Resumed")).folder
    for option in ("trainer=smoke", "objective=gpt", "env=Acrobot-v1", "model.width=32", "model=small", "seed=3"):
        with pytest.raises(UserError, match="leave it out"):
            resumed_config(str(folder), [option])
    for option in ("+anything=1", "+trainer.stepps=5"):
        with pytest.raises(UserError, match="unknown option"):
            resumed_config(str(folder), [option])
    for option in ("env.kwargs.size=4", "collect.steps=7", "trainer.optimizer=adamw", "objective.discount=0.5"):
        with pytest.raises(UserError, match="cannot change when a run is resumed"):
            resumed_config(str(folder), [option])
    same = ["env=UnusualResumed", "objective=nextlat", "model.width=16", "trainer.steps=9", "planner=lookahead"]
    assert resumed_config(str(folder), same).trainer.steps == 9
    assert resumed_config(str(folder), ["env.timeout=5"]).env.timeout == 5
