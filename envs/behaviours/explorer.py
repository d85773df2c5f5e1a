"""A MiniGrid explorer that knows only what it has seen."""

from typing import Any

import gymnasium as gym
import numpy as np

from nextlat_rl.envs.behaviours.explorer_map import CELLS, CLOSED_DOOR, LOCKED_DOOR, WIDTH, ExplorerMap, bits
from nextlat_rl.envs.behaviours.grid_actions import FORWARD, GOAL, KEY, LEFT, PICKUP, TOGGLE
from nextlat_rl.envs.behaviours.poses import NOWHERE, Poses, Reach, facing
from nextlat_rl.envs.behaviours.sight import new_cells

import os
DOOR_GAIN = float(os.environ.get("DOOR_GAIN", 10.0))
TRAVEL = float(os.environ.get("TRAVEL", 1.0))
POWER = float(os.environ.get("POWER", 1.0))
STALE = float(os.environ.get("STALE", 0))
LAYERS = int(os.environ.get("LAYERS", 5))
RUN = int(os.environ.get("RUN", 2))
EXT = int(os.environ.get("EXT", 2))
WEIGHTS=[float(x) for x in os.environ.get("WEIGHTS","1,.5,.25,.3").split(",")]
GUESS_OPAQUE = int(os.environ.get("GUESS_OPAQUE", 1))



class ExplorerBehaviour:
    """Looks for the goal with a map of its own and walks to it as soon as it is seen."""

    def reset(self, env: gym.Env | None = None, seed: int = 0) -> None:
        """Forget the map. Neither the environment nor the seed is used: actions depend on observations alone."""
        self._map = ExplorerMap()
        self._action: int | None = None
        self._plan: list[int] = []
        self._promised = np.zeros(0, dtype=np.int64)
        self._landmarks = -1

    def act(self, observation: Any) -> int:
        """Next action of the plan; plan again when there is none or the last observation made it pointless."""
        self._map.observe(observation, self._action)
        if not self._plan or self._outdated():
            self._plan = self._new_plan()
            self._plan.reverse()
        self._action = self._plan.pop()
        return self._action

    def replace_last(self, action: Any) -> None:
        """Another action was taken: start planning from where it led."""
        self._action = int(action)
        self._plan = []

    def _outdated(self) -> bool:
        landmarks = self._count_landmarks()
        if landmarks != self._landmarks:
            return True
        if self._tentative:
            return True
        n=len(self._promised)
        return n > 0 and np.count_nonzero(self._map.codes[self._promised] == 0) <= STALE * n

    def _count_landmarks(self) -> int:
        codes = self._map.codes
        return int(np.count_nonzero((codes == GOAL) | (codes == KEY)))

    def _new_plan(self) -> list[int]:
        self._landmarks = self._count_landmarks()
        self._tentative = False
        self._promised = self._promised[:0]
        free = bits(self._map.passable())
        reach = Reach(self._map.cell, self._map.direction, free, WIDTH)
        goals = self._map.where(GOAL)
        if len(goals):
            target = bits_of(goals)
            plan = reach.nearest((target,) * 4)
            if plan is not None:
                return plan
        if self._map.key is None:
            keys = bits_of(self._map.where(KEY))
            if keys:
                plan = reach.nearest(facing(keys, WIDTH))
                if plan is not None:
                    return [*plan, PICKUP]
        else:
            doors = self._map.where(LOCKED_DOOR)
            doors = bits_of(doors[self._map.colours[doors] == self._map.key])
            if doors:
                plan = reach.nearest(facing(doors, WIDTH))
                if plan is not None:
                    return [*plan, TOGGLE]
        if len(goals):
            optimist = Reach(self._map.cell, self._map.direction, free | bits(self._map.unknown()), WIDTH)
            plan = optimist.nearest((target,) * 4)
            if plan:
                self._tentative = True
                return plan
        return self._explore(reach, free)

    def _explore(self, reach: Reach, free: int) -> list[int]:
        cells = np.flatnonzero(self._map.passable())
        planes, g = self._guess()
        o = self._map.opaque() | (unbits(g) if GUESS_OPAQUE else 0)
        gains = new_cells(o, [unbits(x) for x in planes], WEIGHTS, cells, WIDTH)
        score = (gains.astype(float) ** POWER).ravel()
        poses = (cells[None] + CELLS * np.arange(4)[:, None]).ravel()
        doors = bits_of(self._map.where(CLOSED_DOOR))
        door_poses = facing(doors, WIDTH)
        useful = gains.ravel() > 0
        poses, score = poses[useful], score[useful]
        top = max(score.max(initial=0.0), DOOR_GAIN if doors else 0)
        best, best_depth, best_targets, best_door = 0.0, 0, NOWHERE, False
        depth, level = 0, reach.levels[0]
        while level != NOWHERE and top / (depth + TRAVEL) > best:
            raw = b"".join(part.to_bytes(CELLS // 8, "little") for part in level)
            here = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little")[poses].view(bool)
            if depth and here.any():
                g = score[here].max()
                if g / (depth + TRAVEL) > best:
                    best, best_depth, best_door = g / (depth + TRAVEL), depth, False
                    best_targets = _pose_sets(poses[here & (score == g)])
            if doors and any(a & b for a, b in zip(level, door_poses)):
                if DOOR_GAIN / (depth + 1 + TRAVEL) > best:
                    best, best_depth, best_door = DOOR_GAIN / (depth + 1 + TRAVEL), depth, True
                    best_targets = door_poses
            depth += 1
            level = reach.levels[depth] if depth < len(reach.levels) else reach.grow()
        if best == 0:
            return [FORWARD if free >> self._map.ahead & 1 else LEFT]
        plan = reach.actions_to(best_targets, best_depth)
        if best_door:
            return [*plan, TOGGLE]
        self._promise(plan)
        return plan

    def _guess(self):
        m = self._map
        codes = m.codes
        walls = bits(codes == 2); unknown = bits(codes == 0); free = bits(m.passable())
        solid = bits((codes == 2) | (codes==CLOSED_DOOR)|(codes==LOCKED_DOOR))
        guess = 0
        for shift in (1, WIDTH):
            run = solid
            for i in range(1, RUN): run &= solid << i * shift
            e = run
            for _ in range(EXT):
                e = e << shift & unknown
                guess |= e
            run = solid
            for i in range(1, RUN): run &= solid >> i * shift
            e = run
            for _ in range(EXT):
                e = e >> shift & unknown
                guess |= e
        layers = []
        grown = free
        open_ = unknown & ~guess
        for _ in range(8):
            grown = dilate(grown) & open_
            open_ &= ~grown
            layers.append(grown)
        a, b_, c = layers[0] | layers[1], layers[2] | layers[3] | layers[4], layers[5] | layers[6] | layers[7]
        edge = dilate(free | a | b_ | c) & guess
        return [a, b_, c, edge], guess

    def _frontier(self):
        (a,b,c,e), g = self._guess()
        return unbits(a|b|c|e)

    def _promise(self, plan):
        # cells which the last pose would show
        from nextlat_rl.envs.behaviours.explorer_map import _VIEW_CELLS, OFFSETS
        c, d = self._map.cell, self._map.direction
        for a in plan:
            if a == FORWARD: c += OFFSETS[d]
            else: d = (d + (1 if a else -1)) % 4
        box = _VIEW_CELLS[d] + c
        self._promised = box[self._frontier()[box]]


def dilate(x):
    return x | x << 1 | x >> 1 | x << WIDTH | x >> WIDTH
def unbits(x):
    return np.unpackbits(np.frombuffer((x & (1<<CELLS)-1).to_bytes(CELLS // 8, "little"), dtype=np.uint8), bitorder="little")
def bits_of(cells: np.ndarray) -> int:
    total = 0
    for cell in cells.tolist():
        total |= 1 << cell
    return total


def _pose_sets(poses: np.ndarray) -> Poses:
    sets = [0, 0, 0, 0]
    for pose in poses.tolist():
        sets[pose // CELLS] |= 1 << pose % CELLS
    return tuple(sets)
