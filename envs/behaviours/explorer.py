"""A MiniGrid explorer that uses its own observations only."""

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviour import Behaviour, without_argument
from nextlat_rl.envs.minigrid.constants import CLOSED_DOOR, GOAL, KEY, LEFT, LOCKED_DOOR, PICKUP, TOGGLE
from nextlat_rl.envs.minigrid.explorer_map import CELLS, WIDTH, ExplorerMap, as_bits, as_cells, bits_at
from nextlat_rl.envs.minigrid.poses import NOWHERE, Poses, Reach, both, facing
from nextlat_rl.envs.minigrid.visibility import view_values
from nextlat_rl.envs.minigrid.wall_prediction import expected_walls, unknown_by_distance

# Tuned on FourRooms: value of seeing an unknown cell near, at a medium distance and far from known floor, and a cell
# where a wall is expected (it may have an opening). A closed door is worth about one look into a new room.
WEIGHTS = (10, 3, 1, 10)
DOOR_VALUE = 100
HASTE = 1.0  # views are compared by value / (actions to reach them + HASTE)


class ExplorerBehaviour(Behaviour):
    """Searches the goal with a map of its own and walks to it as soon as it has been seen.

    In order of preference it goes to the goal, fetches a key, unlocks a door, or moves to the view with the highest
    expected value for its number of actions. Ties are broken forward, then left, then right.
    """

    name = "explorer"

    def reset(self, env: gym.Env | None = None, seed: int = 0) -> None:
        """Clear the map. Neither environment nor seed is used: actions depend on observations alone."""
        self._map = ExplorerMap()
        self._action: int | None = None
        self._plan: list[int] = []  # the next action is the last
        self._promise = np.zeros(0, dtype=np.int64)  # unknown cells that the plan is meant to reveal
        self._landmarks = 0

    def act(self, observation: Any) -> int:
        """Next action of the plan; plans anew when there is none or the last observation made it obsolete."""
        self._map.observe(observation, self._action)
        landmarks = self._map.count_landmarks()
        if not self._plan or landmarks != self._landmarks or self._is_fulfilled():
            self._landmarks = landmarks
            self._promise = self._promise[:0]
            self._plan = self._new_plan()
            self._plan.reverse()
        self._action = self._plan.pop()
        return self._action

    def replace_last(self, action: Any) -> None:
        """Another action was taken: plan again from where it led."""
        self._action = int(action)
        self._plan = []

    def _is_fulfilled(self) -> bool:
        return len(self._promise) > 0 and bool(self._map.codes[self._promise].all())

    def _new_plan(self) -> list[int]:
        reach = self._reach(as_bits(self._map.passable()))
        goals = bits_at(self._map.where(GOAL))
        if goals and (plan := reach.nearest((goals,) * 4)):
            return plan
        if plan := self._use_key(reach):
            return plan
        if goals and (plan := self._presume_free(goals)):
            return plan
        return self._explore(reach)

    def _reach(self, free: int) -> Reach:
        return Reach(self._map.cell, self._map.direction, free, WIDTH)

    def _use_key(self, reach: Reach) -> list[int] | None:
        if self._map.key is None:
            things, use = self._map.where(KEY), PICKUP
        else:
            things, use = self._map.where(LOCKED_DOOR), TOGGLE
            things = things[self._map.colours[things] == self._map.key]
        if not len(things):
            return None
        plan = reach.nearest(facing(bits_at(things), WIDTH))
        return None if plan is None else [*plan, use]

    def _presume_free(self, goals: int) -> list[int] | None:
        """One action towards a goal without a known path, as if all unknown cells were free."""
        plan = self._reach(as_bits(self._map.passable() | self._map.unknown())).nearest((goals,) * 4)
        return plan[:1] if plan else None

    def _explore(self, reach: Reach) -> list[int]:
        poses, values, worthwhile = self._views()
        doors = facing(bits_at(self._map.where(CLOSED_DOOR)), WIDTH)
        best, target, plan = 0.0, None, [LEFT]
        most = max(int(values.max(initial=0)), DOOR_VALUE if doors != NOWHERE else 0)
        depth, level = 0, reach.levels[0]
        while level != NOWHERE and most / (depth + HASTE) > best:
            here = poses_in(level)[poses]
            value = int(values[here].max(initial=0)) if depth else 0
            if value / (depth + HASTE) > best:
                best, target = value / (depth + HASTE), (pose_sets(poses[here & (values == value)]), depth)
            if both(level, doors) != NOWHERE and DOOR_VALUE / (depth + 1 + HASTE) > best:
                best, target = DOOR_VALUE / (depth + 1 + HASTE), None
                plan = [*reach.actions_to(doors, depth), TOGGLE]
            depth += 1
            level = reach.levels[depth] if depth < len(reach.levels) else reach.grow()
        if target is None:
            return plan
        actions = reach.actions_to(*target)
        view = self._map.view_after(actions)
        self._promise = view[worthwhile[view]]
        return actions

    def _views(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Poses (direction * CELLS + cell) with a valuable view, [P]; the values, [P]; cells of value, [CELLS] bool."""
        passable, unknown = self._map.passable(), as_bits(self._map.unknown())
        walls = expected_walls(as_bits(self._map.opaque()), unknown)
        groups = unknown_by_distance(as_bits(passable), unknown, walls)
        cells = np.flatnonzero(passable)
        opaque = self._map.opaque() | as_cells(walls)
        planes = tuple(as_cells(group) for group in groups)
        values = view_values(opaque, planes, WEIGHTS, cells, WIDTH).ravel()
        poses = (cells + CELLS * np.arange(4)[:, None]).ravel()
        return poses[values > 0], values[values > 0], np.logical_or.reduce(planes)


def poses_in(level: Poses) -> np.ndarray:
    """[4 * CELLS] bool from one integer per direction."""
    return np.concatenate([as_cells(part) for part in level])


def pose_sets(poses: np.ndarray) -> Poses:
    """One integer per direction from [P] indices direction * CELLS + cell."""
    east, south, west, north = (bits_at(poses[poses // CELLS == direction] % CELLS) for direction in range(4))
    return east, south, west, north


BEHAVIOUR = without_argument(ExplorerBehaviour)
