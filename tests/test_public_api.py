"""What users import: a surface that is written down, loaded on first use, and complete."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nextlat_rl

PUBLIC = """
    AdaptiveLength Agent BeliefExtractor BeliefPolicy BeliefVecEnv Episode FixedLength Imagination ImaginedReplay
    ImaginedVecEnv MinariRecorder Plan PlannerPolicy PlanningModel Prediction Replayed SpeculativeAgent
    SpeculativeRollout
    Trainer TrainingRun UserError WorldModel __version__ collect_dataset diagnose_world evaluate_agent improve_policy
    list_datasets load_dataset load_net load_offline make_belief_env make_drafter make_env make_planner make_real_env
    resolve_env_id restore_agent save_agent
    start_beliefs train_model uncertainty_limit write_dataset zoo_settings
"""


def test_the_surface_is_this() -> None:
    assert sorted(nextlat_rl.__all__) == sorted(PUBLIC.split())


@pytest.mark.parametrize("name", sorted(set(PUBLIC.split()) - {"__version__"}))
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(nextlat_rl, name).__doc__
    assert name in dir(nextlat_rl)


def test_no_name_is_a_command_too() -> None:
    """`nextlat_rl.train` is a module; a function of that name would depend on what was imported before."""
    commands = {path.stem for path in Path(nextlat_rl.__file__).parent.glob("*.py")}
    assert not commands & set(nextlat_rl.__all__)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="Worldmodel"):
        nextlat_rl.Worldmodel  # noqa: B018


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, time; started = time.perf_counter(); import nextlat_rl\n"
        "seconds = time.perf_counter() - started\n"
        "assert not {'torch', 'gymnasium', 'minari', 'hydra'} & set(sys.modules), 'something heavy was loaded'\n"
        "print(seconds)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.1


def test_the_reference_page_names_what_there_is() -> None:
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
    documented = re.findall(r"^::: (\S+)\.(\w+)$", page, re.MULTILINE)
    assert len(documented) > 20
    for module, name in documented:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"
