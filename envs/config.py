"""Settings of environments and of gathering data in them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from nextlat_rl.errors import UserError
from nextlat_rl.settings import at_least

_MOST_WORKERS = 1024


@dataclass
class EnvConfig:
    """Which environment.

    Attributes:
        id: any Gymnasium id; the version may be left out.
        kwargs: arguments of `gymnasium.make`: `env.kwargs.map_name=8x8`; `env.kwargs.max_episode_steps=200` is where
            episodes are cut.
        timeout: seconds that a call of the environment may take, so that one that hangs is said; 0 for no limit.

    Raises:
        UserError: a negative time.
    """

    id: str = "MiniGrid-FourRooms"
    kwargs: dict[str, Any] = field(default_factory=dict)
    timeout: float = 300.0

    def __post_init__(self) -> None:
        at_least("env.", self, 0, "timeout")

    @property
    def consent(self) -> str:
        """What to type again beside a checkpoint, if the environment is code of a module; else empty."""
        return f" env={self.id}" if ":" in self.id else ""


@dataclass
class CollectConfig:
    """How a data set is gathered.

    Attributes:
        behaviour: `random`, `expert`, `explorer`, `sb3`, `sb3:model.zip`, `agent:runs/...`, or a mixture of them such
            as `explorer:0.9+random:0.1`; `auto` picks one that fits the environment.
        steps: environment steps to gather at least.
        episodes: number of episodes instead of steps.
        epsilon: probability of a uniformly random action at each step.
        seed: seed of the first episode; episode i uses seed + i.
        workers: processes that gather; 0 takes one per core, at most 8.
        sb3: hyper-parameters of the `sb3` behaviour; `collect.sb3.n_envs=4` sets one.

    Raises:
        UserError: a value outside its range.
    """

    section: ClassVar[str] = "collect."

    behaviour: str = "auto"
    steps: int = 100_000
    episodes: int | None = None
    epsilon: float = 0.0
    seed: int = 0
    workers: int = 0
    sb3: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at_least(self.section, self, 1, "steps", "episodes")
        at_least(self.section, self, 0, "epsilon", "seed", "workers")
        if self.workers > _MOST_WORKERS:
            raise UserError(f"{self.section}workers={self.workers} must be at most {_MOST_WORKERS}")
        if self.epsilon > 1:
            raise UserError(f"{self.section}epsilon={self.epsilon} must be at most 1")
