"""DreamerV3's world model: sheeprl's, in a Python of its own that answers through a pipe (`sheeprl_script.py`)."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.rivals.worlds import Player, World
from benchmarks.rivals.worlds.cells import bits
from benchmarks.rivals.worlds.layout import Layout
from nextlat_rl.data.store import Store
from nextlat_rl.errors import UserError
from nextlat_rl.metrics.trajectories import Trajectories
from nextlat_rl.spaces import build_codec, build_scalar
from nextlat_rl.spaces.binned import BinnedCodec
from nextlat_rl.spaces.categorical import DiscreteCodec
from nextlat_rl.spaces.distributions import two_hot
from nextlat_rl.spaces.scalar import FiniteSet
from nextlat_rl.types import Batch

_SCRIPT = Path(__file__).with_name("sheeprl_script.py")


class DreamerWorld(World):
    """About as many `parameters` as asked for; `python` has sheeprl.

    Raises:
        UserError: at any call: that Python is missing, has no sheeprl or gave up.

    """

    name = "DreamerV3 RSSM (sheeprl)"
    bound = True

    def __init__(self, python: str, parameters: int) -> None:
        self._python, self._wanted = python, parameters
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
        try:
            self._process = subprocess.Popen([python, str(_SCRIPT)], **pipes)
        except OSError:
            raise UserError(f"sheeprl={python} does not start; name a Python that has sheeprl") from None

    def ask(self, command: str, **arrays: Any) -> dict[str, np.ndarray]:
        """What a command of the script answers."""
        buffer = io.BytesIO()
        sent = {name: np.asarray(value) for name, value in arrays.items()}
        np.savez(buffer, allow_pickle=False, command=np.asarray(command), **sent)
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None and sink is not None
        try:
            sink.write(len(buffer.getvalue()).to_bytes(8, "big") + buffer.getvalue())
            sink.flush()
            answer = source.read(int.from_bytes(source.read(8), "big"))
        except OSError:
            answer = b""
        if not answer:
            raise UserError(f"sheeprl_script.py stopped; does sheeprl={self._python} name a Python that has sheeprl?")
        with np.load(io.BytesIO(answer)) as found:
            return {name: found[name] for name in found.files}

    def fit(self, store: Store, episodes: np.ndarray, seconds: float, seed: int) -> float:
        """See `World`; windows of 64 steps, 16 a batch."""
        self._rows = _Rows(store)
        made = self.ask("build", parameters=self._wanted, seed=seed, **self._rows.spec())
        self.parameters = int(made["parameters"])
        found = self.ask("fit", seconds=seconds, **self._rows.of_episodes(store, episodes))
        self.steps = int(found["steps"])
        return float(found["seconds"])

    def answer_bits(self, batch: Batch) -> dict[str, float]:
        """The negative evidence lower bound given the first observation's posterior; `code` is the divergence in it."""
        found = self.ask("bits", **self._rows.of_batch(batch))
        return bits({name: float(value) for name, value in found.items()}, int(batch.has_next.sum()))

    def player(self, count: int, seed: int) -> Player:
        """See `World`; one at a time."""
        self.ask("begin", count=count, seed=seed)
        return _DreamerPlayer(self, self._rows)

    def dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """See `World`; the seconds are those of both processes."""
        imagined = super().dream(first, horizon, seed)
        self.dream_seconds += self._seconds
        return imagined

    def _dream(self, first: dict[str, Tensor], horizon: int, seed: int) -> Trajectories:
        """See the script."""
        fields, numbers = self._rows.layout.split(first)
        found = self.ask("dream", fields=fields.numpy(), numbers=numbers.numpy(), horizon=horizon, seed=seed)
        self._seconds = float(found.pop("seconds"))
        made = {name: torch.from_numpy(array) for name, array in found.items()}
        seen = self._rows.layout.join(made["fields"], made["numbers"])
        running = torch.cumprod((~made["ended"]).long(), 1).bool()
        taken = torch.cat([torch.ones_like(running[:, :1]), running[:, :-1]], 1)
        return Trajectories(
            observation={name: torch.cat([first[name][:, None], leaf], 1).numpy() for name, leaf in seen.items()},
            action=self._rows.stored_actions(made["action"]).numpy(),
            reward=(self._rows.reward.centres[made["reward"]] * taken).numpy(),
            ended=(made["ended"] & taken).numpy(),
            length=taken.sum(1).numpy(),
        )

    def close(self) -> None:
        """End the other process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class _DreamerPlayer(Player):
    def __init__(self, world: DreamerWorld, rows: _Rows) -> None:
        self._world, self._rows = world, rows

    def act(self, observation: dict[str, Tensor], reward: Tensor) -> Tensor:
        """See `Player`."""
        fields, numbers = self._rows.layout.split(observation)
        found = self._world.ask("act", fields=fields.numpy(), numbers=numbers.numpy())
        return self._rows.stored_actions(torch.from_numpy(found["action"]))


class _Rows:
    """A store's rows as the script wants them: an observation with the action, reward and end that led to it.

    Raises:
        UserError: the actions are neither one choice nor a vector.

    """

    def __init__(self, store: Store) -> None:
        self.layout = Layout.of(store)
        self.reward = build_scalar(1, store.statistics["reward"])
        self._action = build_codec(store.action_space, 1, store.statistics["action"], role="action")
        if not isinstance(self._action, DiscreteCodec | BinnedCodec):
            raise UserError(f"sheeprl_script.py has no actions of {store.action_space}")

    def spec(self) -> dict[str, Any]:
        """What the script needs to build a model."""
        codec = self._action
        discrete = isinstance(codec, DiscreteCodec)
        table = codec.centres[:, None] if isinstance(codec, BinnedCodec) else torch.eye(codec.logits.out_features)
        return {
            "cardinality": self.layout.cardinality,
            "numbers": self.layout.numbers,
            "action_table": table.numpy(),
            "action_dimensions": 1 if discrete else codec.num_uniforms,
            "rewards": len(self.reward.centres),
        }

    def of_episodes(self, store: Store, episodes: np.ndarray) -> dict[str, np.ndarray]:
        """Rows of whole episodes, one after the other."""
        starts, ends = store.episode_start[episodes], store.episode_start[episodes + 1]
        rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
        first, last = np.isin(rows, starts), np.isin(rows, ends - 1)
        before = np.maximum(rows - 1, 0)
        seen = {name: torch.from_numpy(leaf[rows]) for name, leaf in store.observation.items()}
        taken, came = store.action[rows], torch.from_numpy(store.reward[before])
        found = self._row(
            seen, torch.from_numpy(store.action[before]), came, torch.from_numpy(store.terminated[before])
        )
        lower, weight = self._classes(torch.from_numpy(taken))
        found |= {"is_first": first.astype(np.float32), "has_next": (~last).astype(np.float32)}
        found["fields"] = found["fields"].astype(np.uint8 if self.layout.cardinality.max(initial=0) < 256 else np.int64)
        return found | {"next_lower": lower.numpy(), "next_weight": weight.numpy()}

    def of_batch(self, batch: Batch) -> dict[str, np.ndarray]:
        """Windows that begin with an episode each, time first; `counted` is what has a column before it."""
        ended = torch.nn.functional.pad(batch.terminated[:, :-1], (1, 0))
        found = self._row(batch.observation, batch.previous_action, batch.previous_reward, ended)
        counted = torch.nn.functional.pad(batch.has_next[:, :-1], (1, 0))
        found |= {"is_first": batch.is_first.float().numpy(), "counted": counted.numpy()}
        return {name: np.swapaxes(array, 0, 1) for name, array in found.items()}

    def stored_actions(self, chosen: Tensor) -> Tensor:
        """Classes `[*B, d]` to stored actions `[*B, *action]`."""
        codec = self._action
        if isinstance(codec, BinnedCodec):
            return codec.denormalise(codec.centres[chosen])
        return chosen[..., 0].to(torch.from_numpy(np.empty(0, codec.storage_dtype)).dtype)

    def _row(self, seen: dict[str, Tensor], action: Tensor, reward: Tensor, ended: Tensor) -> dict[str, np.ndarray]:
        fields, numbers = self.layout.split(seen)
        lower, weight = self._rewards(reward)
        found = {"fields": fields, "numbers": numbers, "action": self._features(action), "ended": ended}
        return {name: x.numpy() for name, x in (found | {"reward_lower": lower, "reward_weight": weight}).items()}

    def _features(self, action: Tensor) -> Tensor:
        """Stored actions to what the recurrent model reads."""
        if isinstance(self._action, BinnedCodec):
            return self._action.normalise(action)
        return torch.nn.functional.one_hot(action.long(), self._action.logits.out_features).float()

    def _classes(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Stored actions to lower neighbour and weight of the upper one, `[*B, d]`."""
        if isinstance(self._action, BinnedCodec):
            return two_hot(self._action.normalise(action), self._action.centres)
        return action.long()[..., None], torch.zeros(*action.shape, 1)

    def _rewards(self, reward: Tensor) -> tuple[Tensor, Tensor]:
        """The same of rewards, `[*B]`: of a finite set the nearest value."""
        centres = self.reward.centres
        if isinstance(self.reward, FiniteSet):
            borders = (centres[1:] + centres[:-1]) / 2
            return torch.bucketize(reward.contiguous(), borders), torch.zeros_like(reward)
        return two_hot(reward, centres)
