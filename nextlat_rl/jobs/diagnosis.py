"""World diagnostics: the policy's dreams beside its real episodes from the same starts."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from nextlat_rl.agents.agent import Agent
from nextlat_rl.agents.episodes import EpisodeResult, evaluation_seeds, run_episodes
from nextlat_rl.console import bar
from nextlat_rl.data.batches import held_out_batch, held_out_or_all, split
from nextlat_rl.data.store import Store
from nextlat_rl.envs import make_env, time_limit
from nextlat_rl.envs.minigrid.dream_map import DreamMaps, dream_maps
from nextlat_rl.envs.minigrid.visibility import VIEW
from nextlat_rl.metrics.answer_bits import answer_bits
from nextlat_rl.metrics.event_rates import EventRates, event_rates
from nextlat_rl.metrics.existence import Existence, existence
from nextlat_rl.metrics.return_gap import ReturnGap, cut_returns, return_gap
from nextlat_rl.metrics.trajectories import Trajectories, dreams, stored_episodes
from nextlat_rl.metrics.trust_horizon import LADDER, TrustTest, trust_test
from nextlat_rl.seeds import DIAGNOSIS_SEED
from nextlat_rl.spaces.categorical import SymbolicGridCodec
from nextlat_rl.training.build import HELD_OUT
from nextlat_rl.world_model import WorldModel

_LONGEST, _MEMORY = 500, 2**29  # steps; bytes of observations, real or imagined
_HELD_OUT_EPISODES = 64
_ENVS = 64


@dataclass(frozen=True)
class Diagnosis:
    """What a comparison of dreams with real episodes from the same starts found.

    Attributes:
        trust: the two-sample tests by horizon; `trust.trust_horizon` is their result.
        bits: of the world's answer on held-out data, by part, see `answer_bits`.
        events: how often rare events happen, in dreams and in reality.
        existence: whether imagined observations exist in the data.
        returns: imagined and real.
        maps: in MiniGrid worlds, the maps drawn from the real and from the imagined episodes.
        shown: the episode whose two maps are worth a look.
        episodes: how many of each kind.
        steps: after how many steps both were cut.
    """

    trust: TrustTest
    bits: dict[str, float]
    events: list[EventRates]
    existence: Existence
    returns: ReturnGap
    maps: tuple[DreamMaps, DreamMaps] | None
    shown: int
    episodes: int
    steps: int

    def row(self) -> dict[str, Any]:
        """The numbers by name, as they stand in `results.json`; what does not apply is left out."""
        real, imagined = self.returns.real, self.returns.imagined
        row: dict[str, Any] = {
            "trust_horizon": self.trust.trust_horizon,
            "trust_unlimited": self.trust.unlimited,
            "trust_auc": {str(test.horizon): round(test.auc, 4) for test in self.trust.tests},
            "imagined_return_mean": float(imagined.mean()),
            "imagined_return_median": float(np.median(imagined)),
            "imagined_return_ci_low": self.returns.interval[0],
            "imagined_return_ci_high": self.returns.interval[1],
            "real_return_mean": float(real.mean()),
            "real_return_median": float(np.median(real)),
            "impossible_returns": self.returns.impossible,
            "diagnosis_episodes": self.episodes,
            "diagnosis_steps": self.steps,
        }
        row |= {f"answer_bits_{_slug(part)}": bits for part, bits in self.bits.items()}
        found = self.existence
        row |= {"exist_share": found.share, "exist_share_real": found.share_real}
        row |= {"nearest_distance": found.distance, "nearest_distance_real": found.distance_real}
        if self.maps is not None:
            row["contradictions_per_step_real"], row["contradictions_per_step"] = (
                drawn.contradictions_per_step for drawn in self.maps
            )
        for event in self.events:
            row |= {f"event_{_slug(event.name)}": event.imagined_rate}
            row |= {f"event_{_slug(event.name)}_real": event.real_rate}
        return {name: value for name, value in row.items() if value is not None or name == "trust_horizon"}

    def scalars(self) -> dict[str, float]:
        """The numbers under their TensorBoard tags."""
        numbers = {name: value for name, value in self.row().items() if isinstance(value, int | float)}
        return {f"worlds/{name}": float(value) for name, value in numbers.items()}


def measure_world(
    world_model: WorldModel,
    env_id: str,
    store: Store,
    console: Console,
    *,
    episodes: int = 256,
    first_seed: int = DIAGNOSIS_SEED,
    deterministic: bool = False,
    seed: int = 0,
    split_seed: int = 0,
) -> Diagnosis:
    """Play real episodes of the policy, dream as many from the same first observations, and compare them.

    Args:
        world_model: whose latent dynamics were trained.
        env_id: the environment.
        store: the data that the model was trained on.
        console: shows the progress.
        episodes: how many of each kind.
        first_seed: environment seed of the first; choose none that scores agents.
        deterministic: the policy takes its most likely actions, in both.
        seed: of the noise.
        split_seed: the training run's seed, which held the same episodes out.
    """
    steps = _steps(env_id, store, episodes)
    played = _play(world_model, env_id, evaluation_seeds(episodes, first_seed), steps, deterministic, seed, console)
    real = stored_episodes(world_model, [result.trajectory for result in played if result.trajectory is not None])
    with bar(console, "Dreaming", steps, "steps") as shown:
        imagined = dreams(world_model, [p.first_observation for p in played], steps, seed, deterministic, shown.update)
    training, held_out = split(store, HELD_OUT, split_seed)
    measured = held_out_or_all(training, held_out)[:_HELD_OUT_EPISODES]
    batch = held_out_batch(store, measured, steps + 1).to(world_model.device)
    bits = answer_bits(world_model.model, batch)
    return compare(world_model, env_id, store, training, real, imagined, steps, bits, console, seed)


def compare(
    world_model: WorldModel,
    env_id: str,
    store: Store,
    training: np.ndarray,
    real: Trajectories,
    imagined: Trajectories,
    steps: int,
    bits: dict[str, float],
    console: Console,
    seed: int = 0,
) -> Diagnosis:
    """Compare N dreams, of whichever model, with N real episodes from the same starts; both cut after `steps`.

    `world_model` has the codecs; the model that dreamt was trained on the episodes `training` of the store, and its
    answers cost `bits`. The rest is as in `measure_world`.
    """
    maps = _maps(world_model, env_id, real, imagined)
    codecs, returns = world_model.observation_codecs, cut_returns(store.reward, store.episode_start, steps)
    extra = None if maps is None else (maps[0].so_far[..., None] > 0, maps[1].so_far[..., None] > 0)
    data = _stored(store, training)
    with bar(console, "Telling dreams from reality", len(LADDER), "horizons") as shown:
        known = {"data": data, "extra": extra, "seed": seed, "on_horizon": shown.update}
        trust = trust_test(real, imagined, codecs, world_model.action_codec, **known)  # type: ignore[arg-type]
    return Diagnosis(
        trust=trust,
        bits=bits,
        events=event_rates(real, imagined, codecs),
        existence=existence(data, real, imagined, {name: codec.discrete for name, codec in codecs.items()}),
        returns=return_gap(real.returns, imagined.returns, returns),
        maps=maps,
        shown=int(np.minimum(real.length, imagined.length).argmax()),
        episodes=len(real.length),
        steps=steps,
    )


def _steps(env_id: str, store: Store, episodes: int) -> int:
    """The environment's time limit, at most 500 steps, and no more than fit into half a gigabyte."""
    env = make_env(env_id)
    limit = time_limit(env) or int(np.diff(store.episode_start).max()) - 1
    env.close()
    return max(1, min(limit, _LONGEST, _MEMORY // max(_row_bytes(store) * episodes, 1)))


def _stored(store: Store, episodes: np.ndarray) -> dict[str, np.ndarray]:
    """Observations of these episodes, leaf -> `[R, *leaf]`; evenly spread ones if half a gigabyte does not hold all."""
    rows = np.flatnonzero(np.isin(np.repeat(np.arange(store.num_episodes), np.diff(store.episode_start)), episodes))
    rows = rows[:: max(1, -(-len(rows) * _row_bytes(store) // _MEMORY))]
    return {name: leaf[rows] for name, leaf in store.observation.items()}


def _row_bytes(store: Store) -> int:
    return sum(leaf[:1].nbytes for leaf in store.observation.values())


def _play(
    world_model: WorldModel,
    env_id: str,
    seeds: list[int],
    steps: int,
    deterministic: bool,
    seed: int,
    console: Console,
) -> list[EpisodeResult]:
    n_envs, done = min(_ENVS, len(seeds)), 0
    agent = Agent(world_model, n_envs, deterministic=deterministic, seed=seed)
    with bar(console, "Playing", len(seeds), "episodes") as shown:

        def on_episode(result: EpisodeResult) -> None:
            nonlocal done
            done += 1
            shown.update(done)

        return run_episodes(env_id, agent, seeds, n_envs, on_episode, trajectory_steps=steps)[0]


def _maps(
    world_model: WorldModel, env_id: str, real: Trajectories, imagined: Trajectories
) -> tuple[DreamMaps, DreamMaps] | None:
    """The maps of both, in a MiniGrid world with its usual view."""
    grids = [name for name, codec in world_model.observation_codecs.items() if isinstance(codec, SymbolicGridCodec)]
    if not env_id.startswith(("MiniGrid-", "BabyAI-")) or len(grids) != 1:
        return None
    leaf = grids[0]
    if real.observation[leaf].shape[2:] != (VIEW, VIEW, 3):
        return None
    drawn = []
    for part in (real, imagined):
        direction = part.observation["direction"][:, 0] if "direction" in part.observation else None
        drawn.append(dream_maps(part.observation[leaf], part.action, part.length, direction))
    return drawn[0], drawn[1]


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")
