"""Saving a Stable-Baselines3 agent with all that its further training depends on; reading it never runs code."""

import hashlib
import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr, recursive_setattr
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)
from torch import Tensor

from nextlat_rl.agents.sb3.beliefs import BeliefVecEnv
from nextlat_rl.agents.sb3.imagined import ImaginedVecEnv
from nextlat_rl.agents.sb3.replayed import Replayed
from nextlat_rl.errors import UserError
from nextlat_rl.training import checkpoint
from nextlat_rl.training.weights import read_any

_AGENT = (
    *("num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_current_progress_remaining", "_episode_num"),
    *("_n_updates", "_n_calls", "exploration_rate", "_last_obs", "_last_original_obs", "_last_episode_starts"),
    *("ep_info_buffer", "ep_success_buffer"),
)
# What a vector environment carries from step to step, by its type.
_CARRIED: dict[type, tuple[str, ...]] = {
    VecMonitor: ("episode_returns", "episode_lengths", "episode_count"),
    VecNormalize: (
        *("obs_rms.mean", "obs_rms.var", "obs_rms.count", "ret_rms.mean", "ret_rms.var", "ret_rms.count"),
        *("returns", "old_obs", "old_reward"),
    ),
    VecTransposeImage: (),
    BeliefVecEnv: ("memory.belief", "memory.cache.entries", "memory.cache.slot_position", "memory.cache.position"),
    ImaginedVecEnv: ("_key", "_clock", "_length", "_belief"),
    DummyVecEnv: (),
}
_FAULTS = (OSError, SafetensorError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError)


def save_agent(folder: str | Path, agent: BaseAlgorithm) -> Path:
    """Keep an agent between two calls of `learn`; what was kept in the folder before goes once this is on the disk.

    Weights, optimisers, replay buffer, counters, random states of torch, NumPy and Python, and where the environments
    are: beliefs, statistics, and the episodes under way as their actions. Neither the world model's weights nor
    callbacks.

    Args:
        folder: of this agent alone.
        agent: on vector environments that `make_belief_env` made, on `ImaginedVecEnv`, or on a `DummyVecEnv` of
            environments in `Replayed`; `VecMonitor` and `VecNormalize` may be around them.

    Returns:
        the folder inside `folder` that was written.

    Raises:
        UserError: the agent has not learned, or is in the middle of a roll-out; an environment or a replay buffer that
            cannot be saved; a full disk.
    """
    rollout = getattr(agent, "rollout_buffer", None)
    if agent._last_obs is None or (rollout is not None and not rollout.full):
        raise UserError("an agent is saved after a call of learn, not before the first or inside one")
    tensors: dict[str, Tensor] = {}
    content = _apart(_state(agent), tensors)
    return checkpoint.write_next(Path(folder), {"agent.safetensors": tensors}, {"agent": content})


def restore_agent(folder: str | Path, agent: BaseAlgorithm) -> None:
    """Fill an agent that was made as the saved one was; `learn(..., reset_num_timesteps=False)` goes on to the bit.

    Args:
        folder: what `save_agent` was given.
        agent: of the same class and settings, on environments made in the same way.

    Raises:
        UserError: nothing was saved, it is broken or of another agent or world model, or an environment went another
            way when its episode was played again. The agent is then not to be used.
    """
    written = checkpoint.newest(Path(folder))
    try:
        config = checkpoint.read_sealed(written / "config.json")
        file = written / "agent.safetensors"
        state = _together(config["agent"], read_any(file, config["files"][file.name]))
        if state["class"] != type(agent).__name__:
            raise ValueError(f"it is a {state['class']}, not a {type(agent).__name__}")
        _fill(agent, state)
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{written} is broken, or does not fit the agent ({reason})") from None


def _state(agent: BaseAlgorithm) -> dict[str, Any]:
    """All of an agent, as a tree of plain values, arrays and tensors."""
    cuda = torch.cuda.get_rng_state_all() if agent.device.type == "cuda" else []
    return {
        "class": type(agent).__name__,
        "parameters": agent.get_parameters(),
        "variables": {name: recursive_getattr(agent, name) for name in agent._get_torch_save_params()[1]},
        "agent": {name: vars(agent)[name] for name in _AGENT if name in vars(agent)},
        "buffer": _buffered(agent),
        "layers": [_carried(layer) for layer in _layers(agent)],
        "torch": [torch.get_rng_state(), *cuda],
        "numpy": np.random.get_state(legacy=False),
        "python": random.getstate(),
        "actions": agent.action_space.np_random.bit_generator.state,
    }


def _fill(agent: BaseAlgorithm, state: dict[str, Any]) -> None:
    """The inverse of `_state`; random states come last, as what is before them may draw."""
    agent.set_parameters(state["parameters"], exact_match=True, device=agent.device)
    for name in agent._get_torch_save_params()[1]:
        recursive_getattr(agent, name).data.copy_(state["variables"][name])
    for name in _AGENT:
        if name in state["agent"]:
            value = state["agent"][name]
            buffered = name.startswith("ep_") and value is not None
            setattr(agent, name, deque(value, maxlen=agent._stats_window_size) if buffered else value)
    buffer = getattr(agent, "replay_buffer", None)
    for name, value in state["buffer"].items():
        for into, array in _pairs(vars(buffer)[name], value):
            into[: len(array)] = array
        if isinstance(value, bool | int):
            setattr(buffer, name, value)
    for layer, carried in zip(_layers(agent), state["layers"], strict=True):
        _carry(layer, carried)
    torch.set_rng_state(state["torch"][0])
    if agent.device.type == "cuda":
        torch.cuda.set_rng_state_all(state["torch"][1:])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    agent.action_space.np_random.bit_generator.state = state["actions"]


def _buffered(agent: BaseAlgorithm) -> dict[str, Any]:
    """The rows of a replay buffer that are filled, and its place in them."""
    buffer = getattr(agent, "replay_buffer", None)
    if buffer is None:
        return {}
    if isinstance(buffer, HerReplayBuffer):
        raise UserError("the replay buffer of HER cannot be saved: it keeps whatever environments said")
    # Where a row holds its successor's observation, one more is filled.
    filled = buffer.buffer_size if buffer.full else min(buffer.pos + 1, buffer.buffer_size)
    found: dict[str, Any] = {"pos": buffer.pos, "full": buffer.full}
    for name, value in vars(buffer).items():
        if isinstance(value, np.ndarray):
            found[name] = value[:filled]
        elif isinstance(value, dict) and value and all(isinstance(part, np.ndarray) for part in value.values()):
            found[name] = {key: part[:filled] for key, part in value.items()}
    return found


def _pairs(into: Any, value: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if isinstance(value, dict):
        yield from ((into[key], part) for key, part in value.items())
    elif isinstance(value, np.ndarray):
        yield into, value


def _layers(agent: BaseAlgorithm) -> Iterator[VecEnv]:
    """The agent's vector environment, and those inside it."""
    layer = agent.env
    while isinstance(layer, VecEnvWrapper):
        yield layer
        layer = layer.venv
    if layer is not None:
        yield layer


def _names(layer: VecEnv) -> list[str]:
    if type(layer) not in _CARRIED:
        raise UserError(f"{type(layer).__name__} cannot be saved; use make_belief_env, ImaginedVecEnv or a DummyVecEnv")
    if isinstance(vars(layer).get("obs_rms"), dict):
        raise UserError("VecNormalize cannot be saved where observations are dicts: use norm_obs=False")
    without = "obs_rms." if isinstance(layer, VecNormalize) and not layer.norm_obs else None
    if isinstance(layer, BeliefVecEnv) and layer.memory.cache is None:
        without = "memory.cache."
    return [name for name in _CARRIED[type(layer)] if without is None or not name.startswith(without)]


def _carried(layer: VecEnv) -> dict[str, Any]:
    """What a vector environment carries from step to step."""
    found: dict[str, Any] = {name: recursive_getattr(layer, name) for name in _names(layer)}
    if isinstance(layer, BeliefVecEnv | ImaginedVecEnv):
        found["world model"] = _digest(layer.world_model.model)
    if isinstance(layer, DummyVecEnv):
        found["episodes"] = [env.episode() for env in _replayed(layer)]
    return found


def _carry(layer: VecEnv, carried: dict[str, Any]) -> None:
    """The inverse of `_carried`."""
    if isinstance(layer, BeliefVecEnv | ImaginedVecEnv):
        if carried["world model"] != _digest(layer.world_model.model):
            raise ValueError("its world model has other weights")
        device = layer.world_model.device
        carried = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in carried.items()}
    for name in _names(layer):
        recursive_setattr(layer, name, carried[name])
    if isinstance(layer, DummyVecEnv):
        layer._reset_seeds()
        for env, episode in zip(_replayed(layer), carried["episodes"], strict=True):
            env.replay(episode)


def _replayed(layer: DummyVecEnv) -> list[Replayed]:
    found = [env for env in layer.envs if isinstance(env, Replayed)]
    if len(found) < len(layer.envs):
        raise UserError("an environment cannot be saved in the middle of an episode: put Replayed(...) around it")
    return found


def _digest(model: torch.nn.Module) -> str:
    sha = hashlib.sha256()
    for weight in model.state_dict().values():
        sha.update(weight.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()


def _apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A tree as JSON has it; its arrays and tensors go into `tensors`, by number."""
    if isinstance(value, Tensor | np.ndarray):
        name, tensor = str(len(tensors)), isinstance(value, Tensor)
        tensors[name] = torch.as_tensor(value).detach().cpu().clone()
        return {"tensor" if tensor else "array": name}
    if isinstance(value, dict):
        return {"items": [[key, _apart(part, tensors)] for key, part in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_apart(part, tensors) for part in value]}
    if isinstance(value, list | deque):
        return [_apart(part, tensors) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"a {type(value).__name__} of the agent cannot be saved")


def _together(content: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_apart`."""
    if isinstance(content, list):
        return [_together(part, tensors) for part in content]
    if not isinstance(content, dict):
        return content
    ((kind, value),) = content.items()
    if kind == "items":
        return {key: _together(part, tensors) for key, part in value}
    if kind == "tuple":
        return tuple(_together(part, tensors) for part in value)
    tensor = tensors[value].clone()  # aligned as torch aligns, see `to_numpy`
    return tensor.numpy() if kind == "array" else tensor
