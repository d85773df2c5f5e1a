"""Promise 6: bad input gets one clear line and exit code 2, at once, and nothing is left behind."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest


def command(tmp_path: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    caches = {"MINARI_DATASETS_PATH": str(tmp_path / "minari"), "NEXTLAT_CACHE": str(tmp_path / "cache")}
    return subprocess.run(
        [sys.executable, "-m", f"nextlat_rl.{name}", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | caches | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        check=False,
        timeout=120,
    )


BAD = [
    ("train", ["env=MiniGrid-ForRooms"], ["MiniGrid-ForRooms", "MiniGrid-FourRooms-v0"]),
    ("train", ["trainer.stepps=3"], ["trainer.stepps", "trainer.steps"]),
    ("train", ["env=ALE"], ["unknown environment 'ALE'"]),
    ("train", ["trainer.steps=many"], ["trainer.steps", "many"]),
    ("train", ["trainer.steps=0"], ["steps=0", "at least 1"]),
    ("train", ["model.width=130"], ["model.width=130", "multiple"]),
    ("train", ["objective=gpd"], ["gpd", "gpt"]),
    ("train", ["env=CartPole-v1", "data=not/there-v0"], ["not/there-v0", "nextlat_rl.collect"]),
    ("train", ["resume=runs/nothing"], ["runs/nothing", "does not exist"]),
    ("train", ["device=tpu"], ["tpu", "device=auto"]),
    ("collect", ["env=CartPole-v1", "behaviour=clever"], ["clever", "explorer"]),
    ("collect", ["env=CartPole-v1", "behaviour=random", "seed=10000000"], ["10000000", "evaluation"]),
    ("collect", ["env=CartPole-v1", "epsilon=2"], ["epsilon", "1"]),
    ("evaluate", ["checkpoint=x", "speculate=lossles"], ["speculate", "lossless"]),
    ("evaluate", ["checkpoint=x", "speculate=lossless", "draft=-1"], ["draft=-1", "adaptive"]),
    ("evaluate", ["checkpoint=x", "speculate=lossless", "acting=recurrent"], ["acting=trunk"]),
    ("evaluate", ["checkpoint=x", "speculate=tolerant", "risk=0"], ["risk=0", "between 0 and 1"]),
    ("evaluate", [], ["checkpoint="]),
    ("evaluate", ["checkpoint=missing"], ["missing", "does not exist"]),
    ("evaluate", ["checkpoint=missing", "env=CartPole-v1"], ["missing", "does not exist"]),
    ("evaluate", ["checkpoint=missing", "acting=magic"], ["magic", "trunk, recurrent"]),
    ("train", ["planner=lookahead", "objective.value_weight=0"], ["value_weight=0", "planner=none"]),
    ("train", ["trainer.top_return_fraction=1"], ["top_return_fraction=1", "0 <= fraction < 1"]),
    ("train", ["objective.latent_warmup=2"], ["latent_warmup=2", "between 0 and 1"]),
    ("train", ["objective.latent_warmup_power=0"], ["latent_warmup_power=0", "above 0"]),
    ("train", ["objective.layer_dropout=-1"], ["layer_dropout=-1", "between 0 and 1"]),
    ("train", ["objective.policy_baseline=median"], ["median", "value, mean"]),
    ("train", ["planner=lookahead", "objective=gpt"], ["objective=gpt", "planner=none"]),
    ("evaluate", ["checkpoint=missing", "planner=mppi", "planner.horizon=0"], ["horizon=0", "at least 1"]),
    (
        "evaluate",
        ["checkpoint=missing", "planner=gumbel", "planner.num_simulations=0"],
        ["num_simulations=0"],
    ),
    ("evaluate", ["checkpoint=missing", "first_seed=-1"], ["first_seed=-1", "at least 0"]),
    ("evaluate", ["checkpoint=missing", "planner=chess"], ["chess", "lookahead"]),
    ("evaluate", ["checkpoint=missing", "planner=gumbel", "planner.rollout=wild"], ["wild", "sample"]),
    ("evaluate", ["checkpoint=missing", "planner=lookahead", "planner.depth=0"], ["depth=0", "at least 1"]),
    ("diagnose", [], ["checkpoint="]),
    ("diagnose", ["checkpoint=missing"], ["missing", "does not exist"]),
    ("diagnose", ["checkpoint=missing", "episodes=1"], ["episodes=1", "at least 2"]),
    ("diagnose", ["checkpoint=missing", "first_seed=9999900"], ["10000000", "evaluation"]),
    ("diagnose", ["checkpoint=missing", "episode=3"], ["episode", "episodes"]),
    ("plan", [], ["checkpoint="]),
    ("plan", ["checkpoint=missing", "planner=none"], ["planner=none", "lookahead"]),
    ("improve", [], ["checkpoint="]),
    ("improve", ["checkpoint=missing"], ["missing", "does not exist"]),
    ("improve", ["checkpoint=missing", "improve=none"], ["improve=none", "imagination"]),
    ("improve", ["checkpoint=missing", "improve=magic"], ["magic", "reanalyse"]),
    ("improve", ["checkpoint=missing", "improve.kl_weight=-1"], ["kl_weight=-1", "at least 0"]),
    ("draft", [], ["checkpoint="]),
    ("draft", ["checkpoint=missing"], ["missing", "does not exist"]),
    ("draft", ["checkpoint=missing", "drafter=magic"], ["magic", "eagle"]),
    ("draft", ["checkpoint=missing", "draft=-1"], ["draft=-1", "adaptive"]),
    ("draft", ["checkpoint=missing", "draft=entropy"], ["draft=entropy", "adaptive"]),
    ("draft", ["checkpoint=missing", "drafter=lookahead"], ["drafter=lookahead", "drafter=ngram"]),
    ("evaluate", ["checkpoint=missing", "planner.mode=blind"], ["planner.mode", "planner.rollout"]),
    ("evaluate", ["checkpoint=missing", "planner.width=3"], ["planner.width", "planner=lookahead"]),
    ("train", ["env.train_steps=3"], ["env.train_steps", "trainer.steps"]),
    ("train", ["trainer.best_share=0.5"], ["trainer.best_share", "trainer.top_return_fraction"]),
    ("train", ["improve.horizon=0"], ["horizon=0", "at least 1"]),
    ("train", ["rounds=0"], ["rounds=0", "at least 1"]),
    ("train", ["env=CartPole-v1", "data=not/there-v0+nor/this-v0"], ["not/there-v0", "nextlat_rl.collect"]),
    ("train", ["CartPole-v1"], ["'CartPole-v1'", "env=CartPole-v1"]),
    ("train", ["--env", "CartPole-v1"], ["'--env'", "env=CartPole-v1"]),
    ("train", ["env=Corridor-v0"], ["env=module:Corridor-v0"]),
    ("train", ["env=Pendulum-v1", "planner=lookahead"], ["Box", "planner=mppi"]),
    ("train", ["env=CartPole-v1", "planner=mppi"], ["Discrete(2)", "planner=lookahead"]),
    ("evaluate", ["checkpoint=missing", "planner.mode=blind"], ["planner.rollout=sample"]),
    ("train", ["name=../../../x"], ["name='../../../x'", "without /"]),
    ("train", ["env=CartPole-v1", "data=../../x-v0"], ["'../../x-v0' is not a data set id"]),
    ("collect", ["env=CartPole-v1", "id=../../x-v0"], ["'../../x-v0' is not a data set id"]),
    ("collect", ["env=CartPole-v1", "id=/etc/x-v0"], ["'/etc/x-v0' is not a data set id"]),
    ("collect", ["env=NextLat/StreetMap-atlantis"], ["atlantis.graphml", "StreetMap-5x5"]),
    ("collect", ["env=NextLat/Text-novel"], ["novel.txt"]),
    ("collect", ["env=NextLat/PathStar-2x5", "behaviour=random_walk"], ["random_walk", "NextLat/StreetMap"]),
]


@pytest.mark.parametrize(("name", "arguments", "words"), BAD, ids=[" ".join([n, *a]) for n, a, _ in BAD])
def test_bad_input_gets_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"nextlat_rl.{name}").main()
    error = capfd.readouterr().err
    lines = error.strip().splitlines()
    assert stop.value.code == 2, error
    assert len(lines) == 1, error
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert left == []


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    done = command(tmp_path, "train", "env=MiniGrid-ForRooms")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("name", ["train", "collect", "evaluate", "plan", "improve", "draft"])
def test_help_and_misspelt_options_do_not_load_torch(tmp_path: Path, name: str) -> None:
    script = (
        f"import sys; from nextlat_rl.{name} import main\n"
        "for argument, expected in (('--help', 0), ('no_such_option=1', 2)):\n"
        f"    sys.argv = ['{name}', argument]\n"
        "    try: main()\n"
        "    except SystemExit as error: code = error.code or 0\n"
        "    else: code = 0\n"
        "    assert code == expected, (argument, code)\n"
        "    assert 'torch' not in sys.modules and 'minari' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_any_environment_id_is_an_option(tmp_path: Path) -> None:
    done = command(tmp_path, "train", "env=MiniGrid-FourRooms-v0", "--cfg", "job")
    assert "id: MiniGrid-FourRooms-v0" in done.stdout
    assert "behaviour: explorer" in done.stdout  # the defaults of MiniGrid-FourRooms, version or not
