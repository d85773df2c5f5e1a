"""Settings of the main job."""

from dataclasses import dataclass, field
from typing import Literal

from nextlat_rl.agents.improvement.config import ImproveConfig
from nextlat_rl.agents.planning.config import PlannerConfig
from nextlat_rl.envs.config import CollectConfig, EnvConfig
from nextlat_rl.errors import UserError
from nextlat_rl.jobs.requirements import check_trained
from nextlat_rl.models.config import ModelConfig
from nextlat_rl.objectives.config import ObjectiveConfig
from nextlat_rl.settings import at_least, literals, path_component
from nextlat_rl.training.config import TrainerConfig

AUTO = "auto"  # of resume=
_SEEDS = 2**32


@dataclass
class TrainConfig:
    """`python -m nextlat_rl.train`.

    Attributes:
        env: the environment, any Gymnasium id.
        data: a Minari data set id, or several joined with "+"; `auto` is the environment's own, gathered if it is not
            there.
        rounds: how often to train. Before each further round the agent gathers `round_steps` itself, and the round
            trains anew on everything gathered so far.
        round_steps: environment steps that the agent gathers for each further round.
        collect: how `data=auto` is gathered.
        model: size of the networks.
        objective: what is minimised.
        trainer: the optimisation.
        improve: improves the policy after training; its scores are more rows of the final table.
        planner: acts in one more row of the final table; also the planner of `improve=reanalyse`.
        acting: `trunk` (exact beliefs) or `recurrent` (the latent dynamics alone), of the evaluation.
        deterministic: most likely actions in the evaluation instead of drawn ones.
        seed: of weights and batches.
        device: `auto`, `cpu`, `cuda`, ...
        runs: folder of the run folders.
        name: suffix of the run folder.
        resume: a run folder to continue; `auto` takes the newest unfinished run of the environment with the settings
            that were typed, or starts anew.
        json: print the result as JSON and nothing else.

    Raises:
        UserError: a value outside its range, or options that do not go together.
    """

    env: EnvConfig = field(default_factory=EnvConfig)
    data: str = "auto"
    rounds: int = 1
    round_steps: int = 20_000
    collect: CollectConfig = field(default_factory=CollectConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    improve: ImproveConfig = field(default_factory=ImproveConfig)
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    acting: Literal["trunk", "recurrent"] = "trunk"
    deterministic: bool = False
    seed: int = 0
    device: str = "auto"
    runs: str = "runs"
    name: str = ""
    resume: str | None = None
    json: bool = False

    def __post_init__(self) -> None:
        literals("", self)
        at_least("", self, 1, "rounds", "round_steps")
        at_least("", self, 0, "seed")
        path_component("name", self.name)
        if self.seed >= _SEEDS:
            raise UserError(f"seed={self.seed} must be below {_SEEDS}")
        if self.resume not in (None, AUTO) and self.rounds > 1:
            raise UserError("rounds= does not go with resume=: a round trains anew; leave one of them out")
        check_trained(self.objective, planner=self.planner.name, acting=self.acting, improve=self.improve.name)
