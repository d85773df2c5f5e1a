"""The public names, and where they are; read by `__init__.py` and by type checkers."""

from .agents.agent import Agent as Agent
from .agents.planning.model import Plan as Plan
from .agents.planning.model import PlanningModel as PlanningModel
from .agents.planning.model import Prediction as Prediction
from .agents.planning.planner import make_planner as make_planner
from .agents.sb3.beliefs import BeliefVecEnv as BeliefVecEnv
from .agents.sb3.beliefs import make_belief_env as make_belief_env
from .agents.sb3.extractor import BeliefExtractor as BeliefExtractor
from .agents.sb3.imagined import ImaginedVecEnv as ImaginedVecEnv
from .agents.sb3.imagined import start_beliefs as start_beliefs
from .agents.sb3.observations import make_real_env as make_real_env
from .agents.sb3.offline import load_offline as load_offline
from .agents.sb3.planner_policy import PlannerPolicy as PlannerPolicy
from .agents.sb3.policy import BeliefPolicy as BeliefPolicy
from .agents.sb3.recording import MinariRecorder as MinariRecorder
from .agents.sb3.replay import ImaginedReplay as ImaginedReplay
from .agents.sb3.replayed import Replayed as Replayed
from .agents.sb3.saved_agent import restore_agent as restore_agent
from .agents.sb3.saved_agent import save_agent as save_agent
from .agents.sb3.uncertainty import uncertainty_limit as uncertainty_limit
from .agents.sb3.zoo import zoo_settings as zoo_settings
from .agents.speculative import SpeculativeAgent as SpeculativeAgent
from .data.episode import Episode as Episode
from .data.minari_io import list_datasets as list_datasets
from .data.minari_io import load_dataset as load_dataset
from .data.minari_io import write_dataset as write_dataset
from .drafting.length import AdaptiveLength as AdaptiveLength
from .drafting.length import FixedLength as FixedLength
from .drafting.make import make_drafter as make_drafter
from .drafting.rollout import SpeculativeRollout as SpeculativeRollout
from .drafting.weights import load_net as load_net
from .envs import make_env as make_env
from .envs import resolve_env_id as resolve_env_id
from .errors import UserError as UserError
from .jobs.collection import collect_dataset as collect_dataset
from .jobs.evaluation import evaluate_agent as evaluate_agent
from .jobs.improvement import improve_policy as improve_policy
from .jobs.run import TrainingRun as TrainingRun
from .jobs.training_run import train_model as train_model
from .jobs.trust import diagnose_world as diagnose_world
from .training.trainer import Trainer as Trainer
from .world_model import Imagination as Imagination
from .world_model import WorldModel as WorldModel

__version__: str
