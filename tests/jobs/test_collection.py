"""Names of data sets and run folders, for every environment id."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minari.dataset.minari_dataset import parse_dataset_id

from nextlat_rl.envs.config import CollectConfig
from nextlat_rl.jobs.collection import default_dataset_id
from nextlat_rl.locks import claim
from nextlat_rl.training.tracking import run_folder

LETTERS = string.ascii_letters + string.digits + "_-.:"


@given(st.text(LETTERS, min_size=1), st.integers(0, 99))
def test_every_id_gives_a_data_set_id(name: str, version: int) -> None:
    namespace, _, number = parse_dataset_id(
        default_dataset_id(f"package.module:{name}-v{version}", CollectConfig("random"))
    )
    assert namespace is not None and namespace.startswith("nextlat_rl/package-module-") and number == 0


def test_names_stay_readable() -> None:
    assert default_dataset_id("ALE/Pong-v5", CollectConfig("random")).startswith(
        "nextlat_rl/ALE/Pong-v5/random-100000-"
    )
    assert default_dataset_id("my.own:World-v0", CollectConfig("random")).startswith(
        "nextlat_rl/my-own-World-v0/random-"
    )


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "my.own:World-v0"])
def test_run_folders_lie_side_by_side(tmp_path: Path, env_id: str) -> None:
    folders = {claim(run_folder(str(tmp_path), env_id, ""), "runs=") for _ in range(2)}
    assert len(folders) == 2 and all(f.parent.parent == tmp_path and ":" not in f.name for f in folders)
