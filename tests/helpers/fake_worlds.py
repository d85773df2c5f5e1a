"""Hand-written worlds with a known optimum, behind the planners' callback."""

from __future__ import annotations

import torch
from torch import Tensor

from nextlat_rl.agents.planning.model import Prediction


class FakeWorld:
    """A deterministic world on states that are one-hot beliefs; the prior is uniform and the values are zero."""

    num_uniforms = 0
    value_range = 1.0

    def __init__(self, following: list[list[int]], reward: list[list[float]], discount: float = 1.0) -> None:
        self.following, self.reward, self.discount = torch.tensor(following), torch.tensor(reward), discount
        self.states, self.actions = self.following.shape
        self.logits, self.values = torch.zeros(self.states, self.actions), torch.zeros(self.states)
        self.ends = torch.zeros(self.states, dtype=torch.bool)
        self.calls = self.evaluated = 0

    def at(self, *states: int) -> Tensor:
        """Beliefs of the states."""
        return torch.eye(self.states)[list(states)]

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        state = belief.argmax(-1)
        return self.logits[state], self.values[state]

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        assert ((action >= 0) & (action < self.actions)).all()
        self.calls += 1
        self.evaluated += len(action)
        state = belief.argmax(-1)
        after = self.following[state, action]
        discount = torch.where(self.ends[after], 0.0, self.discount)
        return Prediction(
            self.at(*after.tolist()), self.reward[state, action], discount, *self.root(self.at(*after.tolist()))
        )


def bandit(rewards: list[float]) -> FakeWorld:
    """One decision."""
    world = FakeWorld([[1] * len(rewards), [1] * len(rewards)], [rewards, [0.0] * len(rewards)])
    world.ends[1] = True
    return world


def chain(length: int, actions: int = 2) -> FakeWorld:
    """Action 0 leads on and pays 1 at the end of the chain; every other action falls back to the start."""
    following = [[min(s + 1, length)] + [0] * (actions - 1) for s in range(length + 1)]
    reward = [[float(s == length - 1)] + [0.0] * (actions - 1) for s in range(length + 1)]
    world = FakeWorld(following, reward)
    world.ends[length] = True
    return world


def grid(side: int = 4) -> FakeWorld:
    """Right, left, down, up on a square; a step costs 0.1, the far corner pays 1 and ends."""
    following, reward = [], []
    goal = side * side - 1
    for state in range(side * side):
        row, column = divmod(state, side)
        moves = [(row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)]
        targets = [r * side + c if 0 <= r < side and 0 <= c < side else state for r, c in moves]
        following.append(targets)
        reward.append([0.9 if target == goal else -0.1 for target in targets])
    world = FakeWorld(following, reward)
    world.ends[goal] = True
    return world


class Peek:
    """A coin lies hidden. Guess now and win 1 half the time, or pay 0.1 to look and then guess for sure.

    Actions: 0 and 1 guess, 2 looks. Beliefs: unknown, seen 0, seen 1, over. What a look shows is drawn.
    """

    actions, num_uniforms, value_range = 3, 1, 1.0

    def at(self, *states: int) -> Tensor:
        return torch.eye(4)[list(states)]

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(belief), 3), torch.zeros(len(belief))

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        state = belief.argmax(-1)
        guess = action < 2
        known = (state == 1) | (state == 2)
        right = torch.where(known, (action == state - 1).float(), 0.5) * (state < 3)
        shown = torch.where(state == 0, 1 + (noise[:, 0] < 0.5).long(), state)
        after = torch.where(guess, 3, shown)
        reward = torch.where(guess, right, -0.1)
        belief = self.at(*after.tolist())
        return Prediction(belief, reward, (after < 3).float(), *self.root(belief))


class Shuffled:
    """Another world with its actions renamed: the new action `i` is the old `order[i]`."""

    def __init__(self, world: FakeWorld, order: list[int]) -> None:
        self.world, self.order = world, torch.tensor(order)
        self.actions, self.num_uniforms, self.value_range = world.actions, world.num_uniforms, world.value_range

    def root(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        logits, value = self.world.root(belief)
        return logits[:, self.order], value

    def step(self, belief: Tensor, action: Tensor, noise: Tensor) -> Prediction:
        out = self.world.step(belief, self.order[action], noise)
        return out._replace(logits=out.logits[:, self.order])
