"""Options become settings: environment files, planners, old names."""

from __future__ import annotations

import dataclasses
from dataclasses import fields

import pytest

from nextlat_rl.agents.planning.config import PLANNERS
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.compose import CONFIGS, compose, environment_settings, prepare, schema
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.renamed import RENAMED

FILES = sorted(path.stem for path in (CONFIGS / "env").glob("*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_an_environments_file_overrides_real_settings(name: str) -> None:
    config = compose("train", TrainConfig, [f"env={name}"])
    for section, values in environment_settings(name).items():
        if section == "planner":
            assert config.planner.name == values
        elif isinstance(values, dict):
            assert {key: getattr(getattr(config, section), key) for key in values} == values
        else:
            assert getattr(config, section) == values


def test_an_id_takes_the_file_of_its_name_or_namespace() -> None:
    assert compose("train", TrainConfig, ["env=MiniGrid-FourRooms-v0"]).objective.horizon == 24
    assert compose("train", TrainConfig, ["env=ALE/Pong-v5"]).trainer.steps == 200
    assert compose("train", TrainConfig, ["env=own_module:Thing-v3"]).trainer == TrainConfig().trainer


def test_the_smoke_run_comes_after_the_environments_settings() -> None:
    config = compose("train", TrainConfig, ["env=MiniGrid-FourRooms", "trainer=smoke"])
    assert (config.trainer.steps, config.collect.steps, config.objective.horizon) == (30, 3000, 24)


@pytest.mark.parametrize("name", PLANNERS.names())
def test_a_planner_brings_its_own_settings_and_no_others(name: str) -> None:
    config = compose("train", TrainConfig, [f"planner={name}"])
    assert type(config.planner) is PLANNERS.load(name).config_class
    others = {f.name for n in PLANNERS.names() for f in fields(PLANNERS.load(n).config_class)}
    for field in others - {f.name for f in fields(config.planner)}:
        with pytest.raises(UserError, match=f"unknown option 'planner.{field}' of this planner"):
            compose("train", TrainConfig, [f"planner={name}", f"planner.{field}=1"])


def test_old_names_answer_with_the_new_one_which_exists() -> None:
    for old, new in RENAMED.items():
        with pytest.raises(UserError, match=f"option '{old}=1' is now called '{new}=1'"):
            compose("train", TrainConfig, [f"{old}=1"])
        section, _, name = new.rpartition(".")
        if section != "planner":
            owner = {f.name: f.type for f in fields(schema(TrainConfig))}
            known = {f.name for f in fields(owner[section])} if section else set(owner)  # type: ignore[arg-type]
            assert name in known


def test_hydras_own_flags_pass() -> None:
    flags = ["--cfg", "job", "-m", "--config-dir=mine", "trainer.steps=3"]
    assert prepare("train", TrainConfig, flags) == flags


def test_settings_of_an_environment_apply_without_its_version() -> None:
    for short, full in (("LunarLander", "LunarLander-v3"), ("CartPole", "CartPole-v1")):
        assert environment_settings(short) == environment_settings(full) != {}
        composed = compose("train", TrainConfig, [f"env={short}"])
        assert dataclasses.replace(composed, env=None) == dataclasses.replace(  # type: ignore[arg-type]
            compose("train", TrainConfig, [f"env={full}"]),
            env=None,  # type: ignore[arg-type]
        )


def test_any_environment_id_is_an_option() -> None:
    for env in ("CartPole-v1", "ALE/Pong-v5", "MiniGrid-FourRooms-v0"):
        assert compose("train", TrainConfig, [f"env={env}"]).env.id == env


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["env=Pendulum-v1"], "mppi"),
        (["env=Pendulum-v1", "planner=none"], "none"),
        (["env=CartPole-v1"], "none"),
        (["env=CartPole-v1", "planner=gumbel"], "gumbel"),
    ],
)
def test_the_planner_is_the_environments_unless_one_is_named(options: list[str], name: str) -> None:
    assert compose("train", TrainConfig, options).planner.name == name
