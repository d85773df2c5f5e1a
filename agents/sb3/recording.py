"""What an SB3 agent sees while it learns, as a Minari data set."""

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from nextlat_rl.data.minari_io import check_new_id, write_dataset
from nextlat_rl.envs.episode import Episode, record, snapshot


class MinariRecorder(BaseCallback):
    """Writes every transition of a `learn` to a Minari data set when it ends.

    Observations are those the agent gets, its wrappers' work included; with plain environments a world model can be
    trained on the result: `python -m nextlat_rl.train env=... data=<dataset_id>`. Episodes that are still running when
    learning ends are kept as cut short.

    Args:
        dataset_id: of the new data set, such as `mine/CartPole-v0`.
        env_id: of the environment, for the data set's record.

    Raises:
        UserError: when learning starts, if there is such a data set already.
    """

    def __init__(self, dataset_id: str, env_id: str) -> None:
        super().__init__()
        self.dataset_id, self.env_id = dataset_id, env_id

    def _on_training_start(self) -> None:
        check_new_id(self.dataset_id)
        self._finished: list[Episode] = []
        self._open: list[Episode] = []
        first = self.model._last_obs
        for i in range(self.training_env.num_envs):
            self._open.append(self._episode(_row(first, i)))

    def _on_step(self) -> bool:
        actions = self.locals.get("clipped_actions", self.locals["actions"])
        rewards, dones, infos = self.locals["rewards"], self.locals["dones"], self.locals["infos"]
        for i, episode in enumerate(self._open):
            seen = _row(self.locals["new_obs"], i)
            reached = infos[i]["terminal_observation"] if dones[i] else seen
            cut = bool(infos[i].get("TimeLimit.truncated", False))
            record(episode, _action(actions[i]), reached, float(rewards[i]), bool(dones[i]) and not cut, cut)
            if dones[i]:
                self._finished.append(episode)
                self._open[i] = self._episode(seen)
        return True

    def _on_training_end(self) -> None:
        for episode in self._open:
            if len(episode):
                episode.truncations[-1] = True
                self._finished.append(episode)
        spaces = (self.model.observation_space, self.model.action_space)
        behaviour = f"sb3 ({type(self.model).__name__})"
        write_dataset(self.dataset_id, self.env_id, *spaces, self._finished, behaviour=behaviour)

    def _episode(self, first: Any) -> Episode:
        return Episode(len(self._finished), "sb3", [snapshot(first)])


def _row(observation: Any, i: int) -> Any:
    """Environment i's part of a batch of observations."""
    if isinstance(observation, dict):
        return {name: _row(part, i) for name, part in observation.items()}
    return np.asarray(observation)[i]


def _action(action: Any) -> Any:
    """A discrete action as a plain number."""
    array = np.asarray(action)
    return int(array) if array.ndim == 0 and np.issubdtype(array.dtype, np.integer) else array
