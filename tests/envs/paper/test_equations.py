"""Equation validity on answers whose faults are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nextlat_rl.envs.paper.countdown import CountdownEnv
from nextlat_rl.envs.paper.equations import equation_validity, judge
from nextlat_rl.types import Step


class Scripted:
    """Stands where a world model stands and writes what it was told, after waiting for each prompt to end."""

    device = torch.device("cpu")

    def __init__(self, envs: list[CountdownEnv], answers: list[list[int]]) -> None:
        self.envs, self.answers = envs, answers

    def first_step(self, observations: list[Any]) -> Step:
        zeros = torch.zeros(len(observations))
        return Step({}, zeros, zeros, zeros == 0)

    def memory(self, batch_size: int, acting: str) -> Any:
        return SimpleNamespace(size=batch_size, acting=acting)

    def observe(self, step: Step, memory: Any) -> None:
        return None

    def encode_observations(self, observations: list[Any]) -> dict[str, torch.Tensor]:
        return {}

    def policy(self, belief: None) -> list[int]:
        return [
            env.wait if env.read < len(env.prompt) else ([*answer, 0])[len(env.written)]
            for env, answer in zip(self.envs, self.answers, strict=True)
        ]

    def decode_actions(self, action: list[int]) -> list[int]:
        return action


def problem(seed: int) -> CountdownEnv:
    env = CountdownEnv(numbers=3, largest=9, pauses=2)
    env.reset(seed=seed)
    return env


def test_shares_by_place_of_answers_with_known_faults() -> None:
    envs = [problem(7 + i) for i in range(4)]
    right = [list(env.solution) for env in envs]
    nonsense, wrong_second, missed = [*right[1][:4], envs[1].limit], [*right[2][:9], envs[2].limit], right[3][:5]
    # A second equation that is true and misses the target.
    envs[3].written = missed
    numbers, fitting = envs[3]._fitting(missed)
    assert len(numbers) == 2
    missed = missed + envs[3].words(next(e for e in fitting if e.result != envs[3].target))
    scripted: Any = Scripted(envs, [right[0], nonsense, wrong_second, missed])
    assert equation_validity(scripted, envs, seed=7) == [3 / 4, 2 / 3]


def test_an_answer_that_begins_too_early_has_no_legal_equation() -> None:
    env = problem(0)
    _, _, over, _, _ = env.step(env.wait - 1)
    assert over and judge(env, env.wait - 1) == [False]


@pytest.mark.parametrize("seed", range(5))
def test_the_solution_is_legal_throughout(seed: int) -> None:
    env = problem(seed)
    over = False
    while not over:
        over = env.step(env.best_action())[2]
    assert judge(env, None) == [True] * (len(env.solution) // 5)
