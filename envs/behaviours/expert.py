"""The expert of the environment: a module of `nextlat_rl.envs.experts`."""

from nextlat_rl.envs.behaviour import Behaviour
from nextlat_rl.errors import UserError
from nextlat_rl.registry import Registry

_EXPERTS = Registry("nextlat_rl.envs.experts", "expert", "EXPERT")


def _build(env_id: str, argument: str) -> Behaviour:
    if argument:
        raise UserError(f"behaviour 'expert' takes no argument, got 'expert:{argument}'")
    experts = [_EXPERTS.load(name) for name in _EXPERTS.names()]
    fitting = [(prefix, expert) for expert in experts for prefix in expert.environments if env_id.startswith(prefix)]
    return max(fitting, key=lambda pair: len(pair[0]))[1]()


BEHAVIOUR = _build
