from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nextlat_rl.envs import behaviours, make_env
from nextlat_rl.envs.mixture import BEHAVIOURS, MixedBehaviour, build_behaviour, parse_mixture
from nextlat_rl.errors import UserError


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("explorer", [("explorer", 1.0)]),
        ("explorer:0.9+random:0.1", [("explorer", 0.9), ("random", 0.1)]),
        ("agent:runs/x", [("agent:runs/x", 1.0)]),
        ("sb3", [("sb3", 1.0)]),
        ("sb3:path.zip", [("sb3:path.zip", 1.0)]),
        ("agent:runs/x:0.5 + random:0.5", [("agent:runs/x", 0.5), ("random", 0.5)]),
    ],
)
def test_parse(text: str, shares: list[tuple[str, float]]) -> None:
    parsed = parse_mixture(text)
    assert [name for name, _ in parsed] == [name for name, _ in shares]
    assert [share for _, share in parsed] == pytest.approx([share for _, share in shares])


@pytest.mark.parametrize("text", ["explorer+random", "explorer:0.9+random:0.3", "explorer:1.5+random:-0.5"])
def test_bad_shares_are_user_errors(text: str) -> None:
    with pytest.raises(UserError, match="share"):
        parse_mixture(text)


def test_unknown_behaviour_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="behaviour=exporer is unknown; choose one of: agent, bot, expert, explorer"):
        build_behaviour("exporer", "CartPole-v1")
    with pytest.raises(UserError, match="agent:"):
        build_behaviour("agent", "CartPole-v1")
    with pytest.raises(UserError, match=r"sb3:<policy\.zip>"):
        build_behaviour("sb3", "CartPole-v1")


class _Fixed:
    """Always action 2; remembers which actions replaced it."""

    def __init__(self) -> None:
        self.replaced: list[Any] = []

    def reset(self, env: Any, seed: int) -> None:
        pass

    def act(self, observation: Any) -> int:
        return 2

    def replace_last(self, action: Any) -> None:
        self.replaced.append(action)


def test_behaviour_is_drawn_per_episode_with_its_share() -> None:
    env = make_env("MiniGrid-Empty-5x5")
    env.reset(seed=0)
    mixed = MixedBehaviour(parse_mixture("explorer:0.75+random:0.25"), "MiniGrid-Empty-5x5-v0", 0.0)
    names = []
    for seed in range(400):
        mixed.reset(env, seed)
        names.append(mixed.name)
    assert abs(Counter(names)["explorer"] - 300) < 35
    mixed.reset(env, 7)
    assert mixed.name == names[7]


def test_epsilon_is_the_rate_of_random_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = _Fixed()
    monkeypatch.setattr("nextlat_rl.envs.mixture.build_behaviour", lambda name, env_id: fixed)
    env = make_env("MiniGrid-Empty-5x5")
    env.reset(seed=0)
    mixed = MixedBehaviour([("fixed", 1.0)], "MiniGrid-Empty-5x5-v0", 0.3)
    mixed.reset(env, 0)
    actions = [mixed.act(None) for _ in range(4000)]
    assert abs(len(fixed.replaced) - 1200) < 120  # every random action is reported, also one that equals the choice
    assert abs(actions.count(0) - 400) < 75 and abs(actions.count(1) - 400) < 75


def test_a_new_behaviour_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "always.py").write_text(
        "from nextlat_rl.envs.behaviours.random import RandomBehaviour\n"
        "BEHAVIOUR = lambda env_id, argument: (RandomBehaviour(), argument)\n"
    )
    monkeypatch.setattr(behaviours, "__path__", [*behaviours.__path__, str(tmp_path)])
    assert "always" in BEHAVIOURS.names()
    built: Any = build_behaviour("always:left", "CartPole-v1")
    assert built[1] == "left"
