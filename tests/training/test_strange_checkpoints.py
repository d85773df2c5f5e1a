"""A checkpoint of a stranger is loaded as it was written, or refused in one line; it is never believed."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nextlat_rl.errors import UserError
from nextlat_rl.jobs.config import TrainConfig
from nextlat_rl.training import checkpoint
from nextlat_rl.training.config import TrainerConfig
from nextlat_rl.training.optimizer import Optimizer, make_optimizer
from tests.helpers.fuzz import CASES, CAUGHT
from tests.helpers.tiny import cartpole_model

CPU = torch.device("cpu")
MANIFEST = ("files", "seal")
SPACE = "observation_space"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after one step."""
    model = cartpole_model()
    optimizer = make_optimizer(model, TrainerConfig())
    torch.stack([weight.sum() for weight in model.parameters()]).sum().backward()
    optimizer.step()
    more = {"env_id": "CartPole-v1", "discount": 0.99, "train_config": asdict(TrainConfig())}
    return checkpoint.save(tmp_path_factory.mktemp("run"), 1, model, optimizer, more)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "step-00000001")


def change(folder: Path, **values: Any) -> None:
    """Change entries, by path, of a config without manifest, as older versions wrote it."""
    config = json.loads((folder / "config.json").read_text())
    config = {name: value for name, value in config.items() if name not in MANIFEST}
    for path, value in values.items():
        *parents, last = path.split("__")
        part = config
        for parent in parents:
            part = part[parent]
        part[last] = value
    (folder / "config.json").write_text(json.dumps(config))


def load(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], Optimizer]:
    model, config = checkpoint.load_model(folder, CPU)
    optimizer = make_optimizer(model, TrainerConfig())
    checkpoint.load_optimizer(folder, optimizer)
    return model.state_dict(), config, optimizer


def refused(folder: Path, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        load(folder)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"step": "x"}, "step"),
    ({"step": -1}, "step=-1"),
    ({"discount": float("nan")}, "nan"),
    ({"discount": 2.0}, "discount=2.0"),
    ({"env_id": 3}, "env_id=3"),
    ({"trust_horizon": "far"}, "trust_horizon"),
    ({"mystery": 1}, "unknown option 'mystery'"),
    ({"train_config": {"seed": 0}}, "missing"),
    ({"train_config__objective": 3}, "objective"),
    ({"train_config__trainer__length": 10**9}, "trainer.length=1000000000"),
    ({"train_config__trainer__threads": 10**9}, "threads"),
    ({"train_config__env": {"id": None}}, "env.id"),
    ({"train_config__name": "${oc.env:SECRET}"}, "asks to be filled in"),
    ({"dataset_id": "${oc.env:SECRET}"}, "asks to be filled in"),
    ({"model__heads": 0}, "heads=0"),
    ({"model__heads": 7}, "multiple"),
    ({"model__context": 0}, "context=0"),
    ({"model__context": 10**12}, "at most 65536"),
    ({"model__context": True}, "context=True"),
    ({"statistics": {}}, "statistics"),
    ({"statistics__observation__observation__std": [float("nan")] * 4}, "nan"),
    ({"statistics__observation__observation__std": [1.0]}, "std for each number"),
    ({"statistics__observation__observation__std": [-1.0] * 4}, "below 0"),
    ({"statistics__value__bins": 10**9}, "bins"),
    ({"statistics__reward": {"kind": "set", "values": ["a"]}}, "does not fit"),
    ({"training_modules": {"name": "os", "horizon": 1}}, "os is unknown"),
    ({"training_modules": {"name": "mtp", "horizon": 10**6}}, "horizon"),
    ({SPACE: "[" * 100_000}, "space is broken"),
    ({SPACE: json.dumps({"type": "Box", "dtype": "O", "shape": [1], "low": [0], "high": [1]})}, "space is broken"),
    ({SPACE: json.dumps({"type": "Box", "dtype": "f4", "shape": [10**12], "low": 0, "high": 1})}, "space is broken"),
    ({SPACE: json.dumps({"type": "MultiBinary", "n": 10**12})}, "space is broken"),
]


@pytest.mark.parametrize(("values", "words"), BAD, ids=[words for _, words in BAD])
def test_an_entry_that_cannot_be_right_is_refused(folder: Path, values: dict[str, Any], words: str) -> None:
    change(folder, **values)
    refused(folder, words)


@pytest.mark.parametrize(
    "values",
    [
        {"model__width": 20_000},
        {"model__layers": 10**6},
        {"model__dynamics_width": 10**9},
        {"model__code_groups": 10**6},
        {"action_space": json.dumps({"type": "Discrete", "n": 2**31, "start": 0})},
    ],
)
def test_a_larger_network_than_the_weights_is_refused_before_it_takes_memory(
    folder: Path, values: dict[str, Any]
) -> None:
    change(folder, **values)
    started = time.process_time()
    refused(folder, "larger network than its weights")
    assert time.process_time() - started < 5


def test_a_checkpoint_without_a_manifest_still_loads(folder: Path) -> None:
    expected = load(folder)[0]
    change(folder)
    found, config, _ = load(folder)
    assert "files" not in config and all(torch.equal(found[name], weight) for name, weight in expected.items())


def wider(name: str, value: Tensor) -> Tensor:
    return torch.cat([value.reshape(-1)] * 2)


WEIGHTS: list[tuple[str, Callable[[str, Tensor], Tensor | None], str]] = [
    ("model", lambda name, value: value * float("nan"), "not finite"),
    ("model", lambda name, value: value.to(torch.int8), "'I8'"),
    ("model", lambda name, value: None if name == "start" else value, "start is missing"),
    ("optimizer", wider, "where"),
    ("optimizer", lambda name, value: value.to(torch.int32), "'I32'"),
    ("optimizer", lambda name, value: None if "exp_avg_sq" in name else value, "missing"),
    ("optimizer", lambda name, value: None if name.startswith("1.") else value, "1 optimisers for 2"),
    ("optimizer", lambda name, value: None, "0 optimisers for 2"),
    ("optimizer", lambda name, value: value * float("inf"), "not finite"),
    ("optimizer", lambda name, value: -1 - value.abs(), "negative"),
]


@pytest.mark.parametrize(("file", "edit", "words"), WEIGHTS, ids=[f"{file} {words}" for file, _, words in WEIGHTS])
def test_tensors_that_do_not_belong_are_refused(
    folder: Path, file: str, edit: Callable[[str, Tensor], Tensor | None], words: str
) -> None:
    path = folder / f"{file}.safetensors"
    edited = {name: edit(name, value) for name, value in load_file(path).items()}
    save_file({name: value for name, value in edited.items() if value is not None}, path)
    change(folder)
    refused(folder, words)


def test_other_weights_than_those_written_are_refused(folder: Path) -> None:
    for file in ("optimizer.safetensors", "model.safetensors"):
        content = bytearray((folder / file).read_bytes())
        content[-3] ^= 1
        (folder / file).write_bytes(content)
        refused(folder, f"{file} is not the file that was written")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_what_is_no_file_is_not_opened(folder: Path, file: str, kind: str) -> None:
    (folder / file).unlink()
    if kind == "fifo":
        os.mkfifo(folder / file)
    elif kind == "device":
        (folder / file).symlink_to("/dev/zero")
    else:
        (folder / file).mkdir()
    refused(folder, "no regular file")


def test_a_config_of_endless_size_is_not_read(folder: Path) -> None:
    with (folder / "config.json").open("wb") as file:
        file.truncate(2**40)
    refused(folder, "more than")


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    model = cartpole_model()
    with pytest.raises(UserError, match="unknown option 'mystery'"):
        checkpoint.save(tmp_path, 1, model, None, {"mystery": 1})
    with torch.no_grad():
        model.start[0] = float("nan")
    with pytest.raises(UserError, match="no longer finite at step 1"):
        checkpoint.save(tmp_path, 1, model, None, {})
    assert not list(tmp_path.iterdir())


def test_any_damage_is_found(folder: Path) -> None:
    weights, config, optimizer = load(folder)
    state = optimizer.tensors()
    rng = random.Random(0)
    contents = {file: file.read_bytes() for file in sorted(folder.iterdir())}
    caught = 0
    for number in range(CASES):
        file = [*contents][number % 3]
        damaged = bytearray(contents[file])
        end = len(damaged) if file.suffix == ".json" else 8 + int.from_bytes(damaged[:8], "little")
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(end)] = rng.choice(b'0123456789-[]{},:."eEna \x00\xff')
        file.write_bytes(damaged[: rng.choice((len(damaged), len(damaged), rng.randrange(len(damaged))))])
        try:
            found, loaded, again = load(folder)
            assert loaded == config and all(torch.equal(found[name], value) for name, value in weights.items())
            assert all(torch.equal(again.tensors()[name], value) for name, value in state.items())
        except UserError as error:
            assert "\n" not in str(error)
            caught += 1
        file.write_bytes(contents[file])
    assert caught > CAUGHT * CASES
