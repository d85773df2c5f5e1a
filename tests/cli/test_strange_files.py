"""What a file names is never imported, loaded or filled in; only what is typed is."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from nextlat_rl.data.minari_io import load_dataset
from nextlat_rl.envs import saved_env_id
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.jobs.evaluation import evaluate_agent
from nextlat_rl.jobs.resume import resumed_config
from nextlat_rl.training import checkpoint
from tests.helpers.tiny import cartpole_model
from tests.helpers.toy_data import Nested, gather, write

EVIL = "evil_of_a_file:CartPole-v1"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_of_a_file.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    yield
    sys.modules.pop("evil_of_a_file", None)


def run(env_id: str = "CartPole-v1", **settings: Any) -> str:
    """A run folder whose saved settings are the defaults, but for some."""
    train = asdict(TrainConfig()) | {"env": {"id": env_id}} | settings
    more = {"env_id": env_id, "discount": 0.99, "dataset_id": "no id of a data set", "train_config": train}
    checkpoint.save(Path("run/checkpoints"), 0, cartpole_model(), None, more)
    return "run"


def error_of(name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"nextlat_rl.{name}").main()
    error = capfd.readouterr().err.strip()
    assert stop.value.code == 2 and "\n" not in error and error.startswith("error: "), error
    return error


@pytest.mark.parametrize("name", ["evaluate", "plan", "diagnose", "improve", "draft", "train"])
def test_a_module_that_a_checkpoint_names_is_imported_only_if_it_is_typed(
    name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    option = f"{'resume' if name == 'train' else 'checkpoint'}={run(EVIL)}"
    error = error_of(name, capfd, monkeypatch, option)
    assert f"add env={EVIL}" in error and not Path("ran").exists()


@pytest.mark.parametrize("name", ["diagnose", "improve"])
def test_typing_the_environment_is_consent(
    name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = error_of(name, capfd, monkeypatch, f"checkpoint={run(EVIL)}", f"env={EVIL}")
    assert "is not a data set id" in error and Path("ran").exists()


def test_a_resumed_run_keeps_its_environment() -> None:
    folder = run(EVIL)
    assert resumed_config(folder, [f"resume={folder}", f"env={EVIL}"]).env.id == EVIL and Path("ran").exists()
    with pytest.raises(UserError, match=r"env=Acrobot-v1 cannot change.*it is evil"):
        resumed_config(folder, ["env=Acrobot-v1"])


def test_what_is_imported_already_may_be_named() -> None:
    with pytest.raises(UserError, match="import it in Python first"):
        saved_env_id(EVIL)
    importlib.import_module("evil_of_a_file")
    assert saved_env_id(EVIL) == EVIL
    assert saved_env_id(EVIL, "CartPole") == "CartPole-v1"


def test_the_python_api_does_not_import_for_a_file_either() -> None:
    from nextlat_rl.agents.agent import Agent
    from nextlat_rl.agents.sb3.observations import make_real_env
    from nextlat_rl.world_model import WorldModel

    world_model = WorldModel.load(run(EVIL), "cpu")
    with pytest.raises(UserError, match="only if you ask for it"):
        evaluate_agent(Agent(world_model, 1), 1, quiet=True)
    with pytest.raises(UserError, match="only if you ask for it"):
        make_real_env(world_model)
    assert not Path("ran").exists()


@pytest.mark.parametrize("behaviour", ["sb3:policy.zip", "random:0.5+sb3:policy.zip:0.5"])
def test_a_policy_that_saved_settings_name_is_loaded_only_if_it_is_typed(behaviour: str) -> None:
    folder = run(collect=asdict(TrainConfig().collect) | {"behaviour": behaviour})
    with pytest.raises(UserError, match=r"policy that can run code: add collect.behaviour=.*sb3:policy.zip"):
        resumed_config(folder, [f"resume={folder}"])
    typed = f"collect.behaviour={behaviour}"
    assert resumed_config(folder, [typed]).collect.behaviour == behaviour


def test_settings_of_a_run_are_not_filled_in() -> None:
    folder = run()
    file = checkpoint.find(folder) / "config.json"
    config = json.loads(file.read_text())
    del config["seal"]
    config["train_config"]["runs"] = "${oc.env:SECRET}"
    file.write_text(json.dumps(config))
    for use in (lambda: resumed_config(folder, []), lambda: checkpoint.load_config(folder)):
        with pytest.raises(UserError, match="asks to be filled in") as error:
            use()
        assert "hunter2" not in str(error.value)


def test_typed_settings_change_those_of_a_resumed_run_at_any_depth() -> None:
    changed = resumed_config(run(), ["trainer.steps=7", "planner=lookahead", "planner.width=3", "improve.steps=2"])
    assert changed.trainer.steps == 7 and changed.trainer.batch_size == TrainConfig().trainer.batch_size
    assert changed.planner.name == "lookahead" and changed.planner.width == 3  # type: ignore[attr-defined]
    assert changed.improve.steps == 2


@pytest.mark.parametrize("dropped", ["observation_space", "action_space"])
def test_metadata_without_a_space_do_not_make_the_environment_that_they_name(dropped: str) -> None:
    env = Nested()
    dataset = write("toy/nested-v0", env, gather(env, 3))
    file = Path(dataset.storage.data_path) / "metadata.json"
    spec = json.loads(gym.spec("CartPole-v1").to_json())
    spec |= {"entry_point": "os:system", "kwargs": {"command": "touch ran"}, "disable_env_checker": True}
    metadata = json.loads(file.read_text()) | {"env_spec": json.dumps(spec)}
    file.write_text(json.dumps(metadata))
    load_dataset("toy/nested-v0")  # with both spaces nothing is made
    del metadata[dropped]
    file.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=rf"metadata.json is broken \(it has no {dropped}.*; delete") as error:
        load_dataset("toy/nested-v0")
    assert "\n" not in str(error.value) and not Path("ran").exists()


def test_metadata_may_not_name_a_path() -> None:
    env = Nested()
    file = Path(write("toy/nested-v0", env, gather(env, 3)).storage.data_path) / "metadata.json"
    for bad in ("../../x-v0", "/etc/x-v0", 3, "x\0-v0"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"dataset_id": bad}))
        with pytest.raises(UserError, match="is not a data set id"):
            load_dataset("toy/nested-v0")
