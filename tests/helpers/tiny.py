"""A tiny model and hand-made batches, shared by the tests."""

from __future__ import annotations

import dataclasses
from typing import Literal

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from nextlat_rl.models.config import ModelConfig
from nextlat_rl.models.nextlat import NextLat
from nextlat_rl.objectives.base import weighted_sum
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.objectives.registry import attach_training_modules, make_objective
from nextlat_rl.types import Batch, Spaces

OBSERVATION = gym.spaces.Dict({"place": gym.spaces.Discrete(5), "speed": gym.spaces.Box(-1, 1, (2,), np.float32)})
ACTION = gym.spaces.Discrete(3)
STATISTICS = {
    "observation": {"place": {}, "speed": {"mean": [0.0, 0.0], "std": [1.0, 1.0]}},
    "action": {},
    "reward": {"kind": "set", "values": [0.0, 1.0]},
    "value": {"kind": "twohot", "low": 0.0, "high": 2.0, "bins": 7},
}


def tiny_model(
    width: int = 16,
    layers: int = 2,
    context: int = 64,
    seed: int = 0,
    baseline: str = "",
    horizon: int = 1,
    answer: Literal["joint", "product"] = "joint",
) -> NextLat:
    torch.manual_seed(seed)
    sizes = ModelConfig(layers=layers, heads=2, width=width, context=context, dynamics_width=24, answer=answer)
    model = NextLat(Spaces(OBSERVATION, ACTION, STATISTICS), sizes)
    return attach_training_modules(model, baseline or "nextlat", horizon).eval()


def double(model: NextLat, batch: Batch) -> tuple[NextLat, Batch]:
    """Both in double precision."""
    moved = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    moved["observation"] = {k: v.double() if v.is_floating_point() else v for k, v in batch.observation.items()}
    moved = {k: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in moved.items()}
    return model.double(), Batch(**moved)


def make_batch(lengths: list[list[int]], seed: int = 0) -> Batch:
    """Windows packed from episodes of the given numbers of rows; the last episode of a window may be cut.

    `lengths[b]` are the rows of the episodes in window b; every window must have the same sum.
    """
    total = sum(lengths[0])
    rng = np.random.default_rng(seed)
    shape = (len(lengths), total)
    segment, first, final = np.zeros(shape, int), np.zeros(shape, bool), np.zeros(shape, bool)
    for b, window in enumerate(lengths):
        assert sum(window) == total
        start = 0
        for e, rows in enumerate(window):
            segment[b, start : start + rows] = 10 * b + e
            first[b, start] = True
            final[b, start + rows - 1] = True
            start += rows
    has_action = ~final
    action = rng.integers(3, size=shape) * has_action
    reward = rng.integers(2, size=shape).astype(np.float32) * has_action
    # An episode ends for good on its last action in half of the cases, in the others it is cut by a time limit.
    before_final = np.roll(final, -1, axis=1) & has_action
    terminated = before_final & (rng.random(shape) < 0.5)
    previous_action, previous_reward = np.roll(action, 1, axis=1), np.roll(reward, 1, axis=1)
    previous_action[first], previous_reward[first] = 0, 0
    has_next = has_action.copy()
    has_next[:, -1] = False
    arrays = {
        "action": action,
        "reward": reward,
        "terminated": terminated,
        "previous_action": previous_action,
        "previous_reward": previous_reward,
        "is_first": first,
        "segment": segment,
        "has_action": has_action,
        "has_next": has_next,
        "valid": np.ones(shape, bool),
    }
    observation = {
        "place": torch.from_numpy(rng.integers(5, size=shape)),
        "speed": torch.from_numpy(rng.uniform(-1, 1, (*shape, 2)).astype(np.float32)),
    }
    return Batch(observation, **{name: torch.from_numpy(array) for name, array in arrays.items()})


def compute_losses(
    model: NextLat, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Every loss of the objective that `config` names, unweighted."""
    return make_objective(config).losses(model, batch, generator)


def total_loss(losses: dict[str, Tensor], config: ObjectiveConfig) -> Tensor:
    """The weighted sum that is minimised once the warm-up is over."""
    return weighted_sum(losses, make_objective(config).weights())


def assert_same_losses(
    model: NextLat, fast: dict[str, Tensor], slow: dict[str, Tensor], config: ObjectiveConfig, atol: float, rtol: float
) -> dict[str, Tensor | None]:
    """Every loss to 1e-6, and the gradients of the weighted sums to `atol` and `rtol`; the gradients by name."""
    assert fast.keys() == slow.keys()
    for name in fast:
        torch.testing.assert_close(fast[name], slow[name], atol=1e-6, rtol=1e-6, msg=name)
    parameters = dict(model.named_parameters())
    gradients = [
        torch.autograd.grad(total_loss(losses, config), list(parameters.values()), allow_unused=True)
        for losses in (fast, slow)
    ]
    for name, a, b in zip(parameters, *gradients, strict=True):
        assert (a is None) == (b is None), name
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, atol=atol, rtol=rtol, msg=name)
    return dict(zip(parameters, gradients[0], strict=True))


def cartpole_model() -> NextLat:
    """An untrained model for CartPole-v1."""
    env = gym.make("CartPole-v1")
    statistics = {
        "observation": {"observation": {"mean": [0.0] * 4, "std": [1.0] * 4}},
        "action": {},
        "reward": {"kind": "set", "values": [1.0]},
        "value": {"kind": "twohot", "low": 0.0, "high": 50.0, "bins": 9},
    }
    torch.manual_seed(0)
    spaces = Spaces(env.observation_space, env.action_space, statistics)
    return NextLat(spaces, ModelConfig(2, 2, 16, 32, 16))


def pendulum_model() -> NextLat:
    """An untrained model for Pendulum-v1."""
    env = gym.make("Pendulum-v1")
    statistics = {
        "observation": {"observation": {"mean": [0.0] * 3, "std": [1.0] * 3}},
        "action": {},
        "reward": {"kind": "twohot", "low": -17.0, "high": 0.0, "bins": 9},
        "value": {"kind": "twohot", "low": -100.0, "high": 0.0, "bins": 9},
    }
    torch.manual_seed(0)
    spaces = Spaces(env.observation_space, env.action_space, statistics)
    return NextLat(spaces, ModelConfig(2, 2, 16, 8, 16))
