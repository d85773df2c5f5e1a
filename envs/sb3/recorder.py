"""Records the transitions of a training algorithm as episodes in the environment's own spaces."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from nextlat_rl.envs.episode import Episode, check_seed, record, snapshot
from nextlat_rl.seeds import EVALUATION_SEED


class Recording:
    """Episodes of one training run, up to a budget of transitions; shared by the recorders of its environments."""

    def __init__(self, steps: int, seed: int, behaviour: str) -> None:
        self.steps = 0
        self._budget = steps
        self._next_seed = seed
        self._behaviour = behaviour
        self._finished: list[Episode] = []
        self._open: dict[Recorder, Episode] = {}

    @property
    def full(self) -> bool:
        """Whether the budget is spent."""
        return self.steps >= self._budget

    @property
    def remaining(self) -> float:
        """Fraction of the budget that is left, from 1 to 0."""
        return max(0.0, 1 - self.steps / self._budget)

    def begin(self, recorder: Recorder) -> int:
        """Open an episode and return its seed. Raises UserError when the seed is reserved for evaluation."""
        seed = self._next_seed
        if not self.full:  # afterwards the algorithm continues unrecorded, and open episodes stay as they are
            check_seed(seed)
            self._open[recorder] = Episode(seed, self._behaviour)
            self._next_seed += 1
        return min(seed, EVALUATION_SEED - 1)

    def first(self, recorder: Recorder, observation: Any) -> None:
        """Keep the observation the episode starts with."""
        if not self.full:
            self._open[recorder].observations.append(snapshot(observation))

    def transition(self, recorder: Recorder, action: Any, result: tuple[Any, Any, bool, bool, Any]) -> None:
        """Keep one transition unless the budget is spent; `result` is what `step` returned."""
        if self.full:
            return
        observation, reward, terminated, truncated, _ = result
        episode = self._open[recorder]
        record(episode, action, observation, reward, terminated, truncated)
        self.steps += 1
        if terminated or truncated:
            self._finished.append(self._open.pop(recorder))

    def take(self) -> list[Episode]:
        """Episodes finished since the last call; once the budget is spent the open ones too, as truncated."""
        if self.full:
            for episode in self._open.values():
                if len(episode):
                    episode.truncations[-1] = True
                    self._finished.append(episode)
            self._open.clear()
        finished, self._finished = self._finished, []
        return finished


class Recorder(gym.Wrapper):
    """Innermost wrapper of one environment; records the actions that it receives and sets the seed of each episode."""

    def __init__(self, env: gym.Env, recording: Recording) -> None:
        super().__init__(env)
        self._recording = recording
        self._integers = isinstance(env.action_space, gym.spaces.Discrete)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset with the run's next seed; `seed` is ignored."""
        observation, info = self.env.reset(seed=self._recording.begin(self), options=options)
        self._recording.first(self, observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step and record."""
        action = int(action) if self._integers else action
        result = self.env.step(action)
        self._recording.transition(self, action, result)
        return result
