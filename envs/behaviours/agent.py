"""A trained agent, by its run folder: `agent:runs/...`."""

import importlib

from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.errors import UserError


def _build(env_id: str, argument: str) -> Behaviour:
    if not argument:
        raise UserError("behaviour 'agent' needs a run folder: agent:runs/<env>/<run>")
    # By name, because nextlat_rl.envs is below nextlat_rl.agents and must not import it.
    return importlib.import_module("nextlat_rl.agents.behaviour").AgentBehaviour(argument, env_id)


BEHAVIOUR = _build
