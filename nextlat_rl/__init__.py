"""NextLat sequence models for reinforcement learning and planning.

Everything a user needs is imported from here: `from nextlat_rl import WorldModel, train_model`. A name is loaded when
it is first used, so importing the package is cheap and does not load torch.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_NAMES_IN = {
    "nextlat_rl.agents.agent": ("Agent",),
    "nextlat_rl.agents.planning.model": ("Plan", "PlanningModel", "Prediction"),
    "nextlat_rl.agents.planning.planner": ("make_planner",),
    "nextlat_rl.agents.sb3.beliefs": ("BeliefVecEnv", "make_belief_env"),
    "nextlat_rl.agents.sb3.extractor": ("BeliefExtractor",),
    "nextlat_rl.agents.sb3.imagined": ("ImaginedVecEnv", "start_beliefs"),
    "nextlat_rl.agents.sb3.observations": ("make_real_env",),
    "nextlat_rl.agents.sb3.offline": ("load_offline",),
    "nextlat_rl.agents.sb3.planner_policy": ("PlannerPolicy",),
    "nextlat_rl.agents.sb3.policy": ("BeliefPolicy",),
    "nextlat_rl.agents.sb3.recording": ("MinariRecorder",),
    "nextlat_rl.agents.sb3.replay": ("ImaginedReplay",),
    "nextlat_rl.agents.sb3.uncertainty": ("uncertainty_limit",),
    "nextlat_rl.agents.sb3.zoo": ("zoo_settings",),
    "nextlat_rl.agents.speculative": ("SpeculativeAgent",),
    "nextlat_rl.data.episode": ("Episode",),
    "nextlat_rl.data.minari_io": ("list_datasets", "load_dataset", "write_dataset"),
    "nextlat_rl.drafting.length": ("AdaptiveLength", "FixedLength"),
    "nextlat_rl.drafting.make": ("make_drafter",),
    "nextlat_rl.drafting.rollout": ("SpeculativeRollout",),
    "nextlat_rl.drafting.weights": ("load_net",),
    "nextlat_rl.envs": ("make_env", "resolve_env_id"),
    "nextlat_rl.errors": ("UserError",),
    "nextlat_rl.jobs.collection": ("collect_dataset",),
    "nextlat_rl.jobs.evaluation": ("evaluate_agent",),
    "nextlat_rl.jobs.improvement": ("improve_policy",),
    "nextlat_rl.jobs.run": ("TrainingRun",),
    "nextlat_rl.jobs.training_run": ("train_model",),
    "nextlat_rl.training.trainer": ("Trainer",),
    "nextlat_rl.world_model": ("Imagination", "WorldModel"),
}
_MODULE_OF = {name: module for module, names in _NAMES_IN.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    """The public name, imported on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'nextlat_rl' has no attribute '{name}'")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
