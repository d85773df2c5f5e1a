"""The world model inside Stable-Baselines3: beliefs to observe, imagination to train in, planners that `predict`."""

from nextlat_rl.agents.sb3.beliefs import BeliefVecEnv, make_belief_env
from nextlat_rl.agents.sb3.extractor import BeliefExtractor
from nextlat_rl.agents.sb3.imagined import ImaginedVecEnv, start_beliefs
from nextlat_rl.agents.sb3.observations import make_real_env
from nextlat_rl.agents.sb3.offline import load_offline
from nextlat_rl.agents.sb3.planner_policy import PlannerPolicy
from nextlat_rl.agents.sb3.policy import BeliefPolicy
from nextlat_rl.agents.sb3.recording import MinariRecorder
from nextlat_rl.agents.sb3.replay import ImaginedReplay
from nextlat_rl.agents.sb3.uncertainty import uncertainty_limit
from nextlat_rl.agents.sb3.zoo import ZooSettings, zoo_settings

__all__ = [
    "BeliefExtractor",
    "BeliefPolicy",
    "BeliefVecEnv",
    "ImaginedReplay",
    "ImaginedVecEnv",
    "MinariRecorder",
    "PlannerPolicy",
    "ZooSettings",
    "load_offline",
    "make_belief_env",
    "make_real_env",
    "start_beliefs",
    "uncertainty_limit",
    "zoo_settings",
]
