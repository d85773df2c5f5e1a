"""The expert of MiniGrid levels takes a shortest path to the goal, by the whole level."""

from collections import deque
from typing import Any, NamedTuple

import gymnasium as gym

from nextlat_rl.envs.behaviour import Behaviour, env_name
from nextlat_rl.envs.minigrid.constants import FORWARD, LEFT, PICKUP, RIGHT, STEPS, TOGGLE
from nextlat_rl.errors import UserError

Cell = tuple[int, int]


class _State(NamedTuple):
    cell: Cell
    direction: int
    key: str | None  # colour of the key carried
    changed: frozenset[Cell]  # doors opened and keys picked up


class GridExpert(Behaviour):
    """Breadth-first search over pose, key and doors; avoids lava. Its actions depend on what the agent cannot observe.

    In a level with a `success_pos` that is the goal.
    """

    environments = ("",)  # all that have no other expert; `reset` refuses those that are no grids

    def reset(self, env: gym.Env, seed: int) -> None:
        """Plan the whole episode.

        Raises:
            UserError: the level has no goal, or none that turning, walking, keys and doors can reach.
        """
        self._env = env
        self._plan = self._shortest_path()

    def act(self, observation: Any) -> int:
        """Next action of the plan; the observation is not used."""
        if not self._plan:
            self._plan = self._shortest_path()
        return self._plan.popleft()

    def replace_last(self, action: Any) -> None:
        """Another action was taken: plan again from where it led."""
        self._plan.clear()

    def _shortest_path(self) -> deque[int]:
        level: Any = self._env.unwrapped
        if not hasattr(level, "grid") or not hasattr(level, "agent_pos"):
            raise UserError(f"behaviour 'expert' does not know '{env_name(self._env)}'; use 'sb3'")
        x, y = level.agent_pos
        carried = level.carrying
        key = carried.color if carried is not None and carried.type == "key" else None
        start = _State((int(x), int(y)), int(level.agent_dir), key, frozenset())
        path = _search(level.grid, start, getattr(level, "success_pos", None), hands_free=carried is None)
        if path is None:
            raise UserError(f"behaviour 'expert' finds no path to a goal in '{env_name(self._env)}'; use 'sb3'")
        return path


def _search(grid: Any, start: _State, target: Cell | None, hands_free: bool) -> deque[int] | None:
    """Actions of a shortest path to a goal, or to the empty cell `target`."""
    came_from: dict[_State, tuple[_State, int]] = {}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for action, following, at_goal in _moves(grid, state, hands_free):
            if following == start or following in came_from:
                continue
            came_from[following] = (state, action)
            if at_goal or following.cell == target:
                return _unwind(came_from, start, following)
            queue.append(following)
    return None


def _moves(grid: Any, state: _State, hands_free: bool) -> list[tuple[int, _State, bool]]:
    """(action, state it leads to, whether that is the goal) in the order forward, left, right."""
    turns = [
        (LEFT, state._replace(direction=(state.direction - 1) % 4), False),
        (RIGHT, state._replace(direction=(state.direction + 1) % 4), False),
    ]
    dx, dy = STEPS[state.direction]
    ahead = (state.cell[0] + dx, state.cell[1] + dy)
    thing = grid.get(*ahead)
    kind = None if thing is None or ahead in state.changed else thing.type
    if kind in (None, "floor", "goal") or (kind == "door" and thing.is_open):
        return [(FORWARD, state._replace(cell=ahead), kind == "goal"), *turns]
    if kind == "door" and (not thing.is_locked or thing.color == state.key):
        return [(TOGGLE, state._replace(changed=state.changed | {ahead}), False), *turns]
    if kind == "key" and state.key is None and hands_free:
        return [(PICKUP, state._replace(key=thing.color, changed=state.changed | {ahead}), False), *turns]
    return turns


def _unwind(came_from: dict[_State, tuple[_State, int]], start: _State, state: _State) -> deque[int]:
    actions: deque[int] = deque()
    while state != start:
        state, action = came_from[state]
        actions.appendleft(action)
    return actions


EXPERT = GridExpert
