"""Checkpoints made before version 0.1.0 load and act as they did.

The samples were written by the code of commit bc8a08b: a run on 80 random steps of CartPole, saved after 3 of 4 steps.
`expected.json` holds what that code computed from them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nextlat_rl.errors import UserError
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.settings import from_dict
from nextlat_rl.training import checkpoint
from nextlat_rl.training.optimizer import make_optimizer
from nextlat_rl.training.upgrade import FORMAT, upgraded, upgraded_settings
from nextlat_rl.types import Step
from nextlat_rl.world_model import WorldModel

SAMPLES = Path(__file__).parents[1] / "data_samples"
RUN = SAMPLES / "run-format-2"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads((SAMPLES / "expected.json").read_text())  # type: ignore[no-any-return]


def saved() -> dict[str, Any]:
    return json.loads((checkpoint.find(RUN) / "config.json").read_text())  # type: ignore[no-any-return]


def test_an_old_checkpoint_gives_the_same_beliefs_and_actions(expected: dict[str, Any]) -> None:
    world_model = WorldModel.load(RUN, "cpu")
    memory = world_model.memory(2)
    observations = np.array(expected["observations"], dtype=np.float32)
    step, action = world_model.first_step(list(observations[0])), torch.empty(0)
    for t, observation in enumerate(observations):
        if t:
            encoded = world_model.encode_observations(list(observation))
            step = Step(encoded, action, torch.ones(2), torch.zeros(2, dtype=torch.bool))
        belief = world_model.observe(step, memory)
        action = world_model.policy(belief)
        np.testing.assert_allclose(belief.numpy(), expected["beliefs"][t], atol=1e-5)
        assert action.tolist() == expected["actions"][t]


def test_an_old_run_is_not_trained_further() -> None:
    model, config = checkpoint.load_model(RUN, CPU)
    settings = from_dict(TrainConfig, config["train_config"])
    with pytest.raises(UserError, match=r"older version.*train anew, without resume="):
        checkpoint.load_optimizer(RUN, make_optimizer(model, settings.trainer))


def test_old_settings_get_their_new_places_and_names() -> None:
    old = saved()["train_config"]
    new = upgraded(saved())["train_config"]
    assert new["env"] == {"id": "CartPole-v1"}
    assert new["collect"] == {**old["collect"], "sb3": old["env"]["sb3"]}
    assert new["trainer"]["steps"] == 4 and new["trainer"]["dynamics_finetune_steps"] == 2
    assert "follow_batch_size" not in new["trainer"] and "dynamics_finetune_batch_size" not in new["trainer"]
    assert new["objective"]["min_rollouts"] == 8 and new["objective"]["code_weight"] == 0.1
    assert new["planner"] == {"name": "lookahead", "rollout": "sample", "depth": 8, "width": 16, "value_scale": 20.0}
    assert new["deterministic"] is True
    assert old == saved()["train_config"]


@pytest.mark.parametrize(
    ("planner", "kept"),
    [
        ({"name": "none"}, {"name": "none"}),
        ({"name": "auto", "mode": "sample"}, {"name": "auto"}),
        (
            {"name": "gumbel", "mode": "mode", "simulations": 9, "considered": 3},
            {"name": "gumbel", "rollout": "argmax", "num_simulations": 9, "max_considered_actions": 3},
        ),
    ],
)
def test_only_the_chosen_planners_settings_are_kept(planner: dict[str, Any], kept: dict[str, Any]) -> None:
    old = saved()["train_config"]
    settings = old | {"planner": old["planner"] | planner}
    new = upgraded_settings(settings)["planner"]
    assert {name: new[name] for name in kept} == kept
    assert not {"depth", "elites"} & new.keys()


def test_modules_for_training_are_named_apart() -> None:
    config = saved()
    config["model"] |= {"baseline": "mtp", "horizon": 2}
    new = upgraded(config)
    assert new["training_modules"] == {"name": "mtp", "horizon": 2} and new["format"] == FORMAT
    assert new["model"] == {"layers": 1, "heads": 2, "width": 8, "context": 2, "dynamics_width": 8, "answer": "product"}
    assert upgraded(new) == new
    assert upgraded(saved())["training_modules"] is None


def test_a_checkpoint_without_settings_is_upgraded_too() -> None:
    config = saved()
    del config["train_config"]
    assert "train_config" not in upgraded(config)


@pytest.mark.parametrize("content", [{"format": 1}, {"format": 99}, {}, [], 3])
def test_another_format_is_one_clear_line(tmp_path: Path, content: object) -> None:
    folder = shutil.copytree(checkpoint.find(RUN), tmp_path / "checkpoint")
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"config.json is not a checkpoint of format 4") as error:
        checkpoint.load_config(folder)
    assert "\n" not in str(error.value)
