"""Model predictive path integral control for continuous actions, seeded by the policy (as in TD-MPC2, 2310.16828)."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.agents.planning.imagined import ImaginedContinuousModel, check_continuous
from nextlat_rl.agents.planning.planner import Explanation, SearchPlanner, keys
from nextlat_rl.noise import uniform
from nextlat_rl.settings import above_zero, at_least
from nextlat_rl.world_model import WorldModel


class ContinuousModel(Protocol):
    """A world with actions of `size` numbers in [-1, 1], seen from inside.

    Attributes:
        size: d.
        policy_num_uniforms: how many uniforms the policy takes for each row.
    """

    size: int
    policy_num_uniforms: int

    def policy(self, belief: Tensor, noise: Tensor) -> Tensor:
        """Draw actions `[N, d]` at `belief: [N, D]`."""

    def step(self, belief: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Belief `[N, D]`, reward `[N]` and discount `[N]` of one imagined step."""

    def value(self, belief: Tensor) -> Tensor:
        """`[N]`."""


@dataclass(kw_only=True)
class MPPIConfig(PlannerConfig):
    """Size of the search; the defaults evaluate the dynamics 384 times for each decision.

    Attributes:
        horizon: imagined steps ahead, at most the world model's trust horizon where that was measured.
        num_samples: action sequences in each iteration.
        num_policy_samples: sequences drawn from the policy, evaluated once and kept in every iteration.
        iterations: refits of the Gaussian.
        elites: best sequences that it is fitted to.
        temperature: how much the best of them count more, in spreads of the elites' returns.
        min_std: smallest spread of the actions, in the unit of [-1, 1].
    """

    name: str = "mppi"
    horizon: int = 3
    num_samples: int = 32
    num_policy_samples: int = 16
    iterations: int = 3
    elites: int = 12
    temperature: float = 1.0
    min_std: float = 0.05

    def __post_init__(self) -> None:
        at_least("planner.", self, 1, "horizon", "num_samples", "num_policy_samples", "iterations", "elites")
        above_zero("planner.", self, "temperature", "min_std")

    @property
    def evaluations(self) -> int:
        """Dynamics evaluations for each decision; the policy's sequences are drawn in imagination, then scored."""
        return self.horizon * (2 * self.num_policy_samples + self.num_samples * self.iterations)

    def num_uniforms(self, model: ContinuousModel) -> list[int]:
        """How many uniforms the policy's sequences take, and then each iteration."""
        drawn = self.horizon * self.num_policy_samples * model.policy_num_uniforms
        return [drawn] + self.iterations * [self.horizon * self.num_samples * model.size]


class ContinuousPlan(NamedTuple):
    """A decision for each of B roots."""

    action: Tensor  # [B, d] in [-1, 1]
    sequence: Tensor  # [B, H, d] the fitted mean
    value: Tensor  # [B] imagined return of the best sequence


def mppi(model: ContinuousModel, belief: Tensor, uniform: Tensor, config: MPPIConfig) -> ContinuousPlan:
    """Decide for `belief: [B, D]` with `uniform: [B, sum(config.num_uniforms(model))]` in [0, 1)."""
    for_policy, *for_iterations = uniform.split(config.num_uniforms(model), dim=1)
    own = _policy_sequences(model, belief, for_policy, config)  # [B, P, H, d]
    own_return = _returns(model, belief, own)
    mean, std = _fit(own, own_return, config)
    for noise in for_iterations:
        normal = torch.special.ndtri(noise.clamp(1e-6, 1 - 1e-6)).reshape(
            len(belief), config.num_samples, *mean.shape[1:]
        )
        drawn = (mean[:, None] + std[:, None] * normal).clamp(-1, 1)
        sequences = torch.cat((own, drawn), dim=1)
        returns = torch.cat((own_return, _returns(model, belief, drawn)), dim=1)
        mean, std = _fit(sequences, returns, config)
    return ContinuousPlan(mean[:, 0], mean, returns.amax(1))


def _policy_sequences(model: ContinuousModel, belief: Tensor, noise: Tensor, config: MPPIConfig) -> Tensor:
    """Sequences that the policy draws in its own imagination, `[B, P, H, d]`."""
    now = belief.repeat_interleave(config.num_policy_samples, dim=0)
    actions = []
    for part in noise.reshape(len(now), config.horizon, model.policy_num_uniforms).unbind(1):
        actions.append(model.policy(now, part))
        now = model.step(now, actions[-1])[0]
    return torch.stack(actions, dim=1).unflatten(0, (len(belief), config.num_policy_samples))


def _returns(model: ContinuousModel, belief: Tensor, sequences: Tensor) -> Tensor:
    """Imagined returns `[B, N]`, the value at the end included, of `sequences: [B, N, H, d]`."""
    batch, count = sequences.shape[:2]
    now = belief.repeat_interleave(count, dim=0)
    total, weight = torch.zeros_like(now[:, 0]), torch.ones_like(now[:, 0])
    for action in sequences.flatten(0, 1).unbind(1):
        now, reward, discount = model.step(now, action)
        total, weight = total + weight * reward, weight * discount
    return (total + weight * model.value(now)).view(batch, count)


def _fit(sequences: Tensor, returns: Tensor, config: MPPIConfig) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation `[B, H, d]` of the best sequences."""
    best, index = returns.topk(min(config.elites, returns.shape[1]), dim=1)
    elites = sequences.gather(1, index[..., None, None].expand(-1, -1, *sequences.shape[2:]))
    spread = best.std(1, keepdim=True).clamp_min(1e-6)
    weight = ((best - best[:, :1]) / (config.temperature * spread)).softmax(1)[..., None, None]
    mean = (weight * elites).sum(1)
    std = (weight * (elites - mean[:, None]).square()).sum(1).sqrt()
    return mean, std.clamp(config.min_std, 1.0)


class MPPIPlanner(SearchPlanner):
    """MPPI over continuous actions, the whole search one traced function; see `SearchPlanner`.

    Its decision is the fitted mean, drawn or not: `deterministic` changes nothing.
    """

    config_class = MPPIConfig
    steps_setting = "horizon"
    check_space = staticmethod(check_continuous)

    def __init__(
        self, world_model: WorldModel, config: MPPIConfig, *, deterministic: bool = False, seed: int = 0
    ) -> None:
        self.model, self.config, self.seed = ImaginedContinuousModel(world_model), config, seed
        self.num_uniforms = sum(config.num_uniforms(self.model))
        self._search = world_model.traced(lambda b, u: tuple(mppi(self.model, b, u, config)))

    def plan(self, belief: Tensor, episode: Tensor, step: Tensor) -> ContinuousPlan:
        """The decision at `belief: [B, D]` and the numbers behind it."""
        return ContinuousPlan(*self._search(belief, uniform(self.seed, episode, step, self.num_uniforms)))

    def decide(self, belief: Tensor, episode: Tensor, step: Tensor) -> Tensor:
        """Stored actions `[B, *action]`."""
        return self.model.stored(self.plan(belief, episode, step).action)

    def explain(self, belief: Tensor, episode: int, step: int, count: int) -> Explanation:
        """See `SearchPlanner.explain`; the fitted mean is the only sequence."""
        found = self.plan(belief, *keys(belief, episode, step))
        return Explanation([self.model.stored(found.sequence[0])], [float(found.value)])


PLANNER = MPPIPlanner
