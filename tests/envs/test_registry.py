import subprocess
import sys
import warnings

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

from nextlat_rl.envs import make_env, resolve_env_id
from nextlat_rl.errors import UserError


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        ("CartPole-v1", "CartPole-v1"),
        ("CartPole", "CartPole-v1"),
        ("MiniGrid-FourRooms", "MiniGrid-FourRooms-v0"),
        ("MiniGrid-MultiRoom-N4-S5", "MiniGrid-MultiRoom-N4-S5-v1"),
        ("BabyAI-GoToRedBall", "BabyAI-GoToRedBall-v0"),
    ],
)
def test_version_is_optional(name: str, env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_env_id(name) == env_id


def test_unknown_environment_names_close_ones() -> None:
    with pytest.raises(UserError, match="unknown environment 'MiniGrid-Fourooms'; close names: MiniGrid-FourRooms-v0"):
        resolve_env_id("MiniGrid-Fourooms")
    with pytest.raises(UserError, match="CartPole-v1"):
        resolve_env_id("cartpole")
    with pytest.raises(UserError, match="CartPole-v1"):
        resolve_env_id("CartPole-v9")


@pytest.mark.parametrize("name", ["a b", "", "zzz", "nomodule:CartPole"])
def test_nonsense_names_are_user_errors(name: str) -> None:
    with pytest.raises(UserError):
        resolve_env_id(name)


def test_missing_packages_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextlat_rl.envs.registry.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'nextlat_rl\[atari\]'"):
        resolve_env_id("ALE/Pong-v5")

    def no_mujoco(*args: object, **kwargs: object) -> None:
        raise gym.error.DependencyNotInstalled('MuJoCo is not installed, run `pip install "gymnasium[mujoco]"`')

    monkeypatch.setattr("gymnasium.make", no_mujoco)
    with pytest.raises(UserError, match=r"pip install 'nextlat_rl\[mujoco\]'"):
        make_env("Hopper")


def test_wrong_argument_is_a_user_error() -> None:
    with pytest.raises(UserError, match="does not take"):
        make_env("CartPole", wheels=4)


@pytest.mark.parametrize(
    "name", ["MiniGrid-FourRooms", "MiniGrid-DoorKey-5x5", "BabyAI-GoToRedBallNoDists", "CartPole-v1"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_environments_pass_gymnasiums_checker(name: str) -> None:
    check_env(make_env(name), skip_render_check=True)


def test_missions_are_text() -> None:
    env = make_env("BabyAI-GoToRedBallNoDists")
    mission = env.observation_space["mission"]  # type: ignore[index]
    assert isinstance(mission, gym.spaces.Text) and mission.max_length == 128
    assert mission.contains(env.reset(seed=3)[0]["mission"])


def test_long_missions_fit() -> None:
    env = make_env("BabyAI-MiniBossLevel")
    for seed in range(20):
        assert env.observation_space.contains(env.reset(seed=seed)[0])


def test_import_is_cheap() -> None:
    code = "import sys, nextlat_rl.envs; print([m for m in ('torch', 'minigrid', 'ale_py') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_package_itself_loads_no_gymnasium() -> None:
    code = "import sys, nextlat_rl.envs; print([m for m in ('gymnasium', 'numpy', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
