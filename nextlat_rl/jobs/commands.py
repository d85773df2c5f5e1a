"""Settings of the commands other than the main job."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.planning.config import PLANNERS, PlannerConfig
from nextlat_rl.drafting.config import DRAFTERS
from nextlat_rl.envs.config import CollectConfig, EnvConfig
from nextlat_rl.errors import UserError
from nextlat_rl.seeds import DIAGNOSIS_SEED, EVALUATION_SEED
from nextlat_rl.settings import above_zero, at_least, literals

Acting = Literal["trunk", "recurrent"]


@dataclass
class CollectCommand(CollectConfig):
    """`python -m nextlat_rl.collect`.

    Attributes:
        env: the environment, any Gymnasium id.
        id: names the data set; empty derives a name from the settings.
    """

    section: ClassVar[str] = ""

    env: EnvConfig = field(default_factory=EnvConfig)
    id: str = ""


@dataclass
class CheckpointCommand:
    """What all commands on a trained model take.

    Attributes:
        checkpoint: a run folder or checkpoint folder.
        env: the environment; by default the one that the checkpoint was trained for. One of a module of your own has to
            be named here: a checkpoint's word alone does not import it.
        seed: of the noise.
        device: `auto`, `cpu`, `cuda`, ...
        threads: torch threads; 0 takes the cores at hand, at most 8.
        json: print the result as JSON and nothing else.

    Raises:
        UserError: no checkpoint, or a value outside its range.
    """

    checkpoint: str = ""
    env: EnvConfig = field(default_factory=lambda: EnvConfig(id=""))
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    json: bool = False

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise UserError("checkpoint= is missing; give a run folder such as checkpoint=runs/<env>/<time>")
        literals("", self)
        at_least("", self, 0, "seed", "threads")


@dataclass
class EvaluateCommand(CheckpointCommand):
    """`python -m nextlat_rl.evaluate`; see `CheckpointCommand` for the rest.

    Attributes:
        planner: looks ahead from the beliefs; without one the policy acts.
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone).
        speculate: `lossless` drafts steps ahead and decides in all of them at once; the actions stay the same.
            `tolerant` also takes a decision made ahead where reality is only near the draft.
        risk: of `tolerant`: the share of decisions made ahead that may differ, calibrated on fresh episodes.
        draft: how many steps: a number, or `adaptive`.
        episodes: how many.
        first_seed: of the episodes; no data is gathered from 10,000,000 on. Tune on others.
        deterministic: most likely actions instead of drawn ones.
        n_envs: environments stepped side by side.
        out: the folder of the row; empty takes the run folder.
    """

    planner: PlannerConfig = field(default_factory=PlannerConfig)
    acting: Acting = "trunk"
    speculate: Literal["off", "lossless", "tolerant"] = "off"
    risk: float = 0.01
    draft: str = "adaptive"
    episodes: int = 500
    first_seed: int = EVALUATION_SEED
    deterministic: bool = False
    n_envs: int = 64
    out: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_draft_length(self.draft)
        if self.speculate != "off" and self.acting != "trunk":
            raise UserError(f"speculate={self.speculate} falls back on the trunk: use it with acting=trunk")
        if not 0 < self.risk < 1:
            raise UserError(f"risk={self.risk} must lie between 0 and 1")
        at_least("", self, 1, "episodes", "n_envs")
        at_least("", self, 0, "first_seed")


@dataclass
class ImproveCommand(CheckpointCommand):
    """`python -m nextlat_rl.improve`; see `CheckpointCommand` for the rest.

    Attributes:
        data: a Minari data set id; by default the one that the checkpoint was trained on.
        improve: how.
        planner: of `improve=reanalyse`.
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone), of the evaluation.
        deterministic: most likely actions in the evaluation; by default as the run was evaluated.
        episodes: of the evaluation before and after.
        first_seed: of these episodes, see `evaluate`.
    """

    data: str = ""
    improve: ImproveConfig = field(default_factory=ImproveConfig)
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    acting: Acting = "trunk"
    deterministic: bool | None = None
    episodes: int = 500
    first_seed: int = EVALUATION_SEED

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.improve.name == "none":
            raise UserError("improve=none improves nothing; choose improve=imagination or improve=reanalyse")
        at_least("", self, 1, "episodes")
        at_least("", self, 0, "first_seed")


@dataclass
class DiagnoseCommand(CheckpointCommand):
    """`python -m nextlat_rl.diagnose`; see `CheckpointCommand` for the rest.

    Attributes:
        data: a Minari data set id; by default the one that the checkpoint was trained on.
        episodes: real episodes to play, and dreams from the same starts; fewer than 32 measure no trust horizon.
        first_seed: of the episodes; those from 10,000,000 on are for scores alone.
        deterministic: most likely actions instead of drawn ones; by default as the run was evaluated.
    """

    data: str = ""
    episodes: int = 256
    first_seed: int = DIAGNOSIS_SEED
    deterministic: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("", self, 2, "episodes")
        at_least("", self, 0, "first_seed")
        if self.first_seed + self.episodes > EVALUATION_SEED:
            raise UserError(
                f"first_seed={self.first_seed} reaches the seeds from {EVALUATION_SEED} on, which are for evaluation "
                f"only; use one from {DIAGNOSIS_SEED} on"
            )


@dataclass
class PlanCommand(CheckpointCommand):
    """`python -m nextlat_rl.plan`; see `CheckpointCommand` for the rest.

    Attributes:
        planner: as in `evaluate`.
        acting: as in `evaluate`.
        step: the decision to show, counted from the episode's first; the planner itself plays until then.
        lines: how many of the lines compared to show.
        out: the picture; empty writes `plan-<time>.png` into the run folder.
    """

    planner: PlannerConfig = field(default_factory=PlannerConfig)
    acting: Acting = "trunk"
    step: int = 0
    lines: int = 5
    out: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.planner.name == "none":
            raise UserError(f"planner=none plans nothing; choose planner={', '.join(PLANNERS.names())} or auto")
        at_least("", self, 1, "lines")
        at_least("", self, 0, "step")


@dataclass
class DraftCommand(CheckpointCommand):
    """`python -m nextlat_rl.draft`; see `CheckpointCommand` for the rest, whose checkpoint holds the trunk.

    Attributes:
        drafter: `nextlat` or `ngram`, which need no training, or `draft_model`, `layerskip`, `medusa`, `eagle`,
            `dflash`, which are trained first unless they have been.
        data: a Minari data set id; by default the one that the trunk was trained on.
        steps: optimiser steps of the drafter's training; 0 takes the drafter that lies beside the trunk.
        learning_rate: its peak.
        draft: how many steps to draft: `adaptive` or a number.
        horizon: steps of an imagined trajectory.
        n_envs: trajectories imagined side by side.
        rounds: of the race against drawing one step at a time.
    """

    drafter: str = "nextlat"
    data: str = ""
    steps: int = 300
    learning_rate: float = 2e-3
    draft: str = "adaptive"
    horizon: int = 40
    n_envs: int = 1
    rounds: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        DRAFTERS.check(self.drafter)
        check_draft_length(self.draft)
        at_least("", self, 1, "horizon", "n_envs", "rounds")
        at_least("", self, 0, "steps")
        above_zero("", self, "learning_rate")


def check_draft_length(draft: str) -> None:
    """Require a number of steps, or `adaptive`.

    Raises:
        UserError: it is neither.
    """
    if draft != "adaptive" and not draft.isdecimal():
        raise UserError(f"draft={draft} is neither adaptive nor a number of steps of at least 0")
