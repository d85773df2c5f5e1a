"""The expert of the paper's token tasks asks the task for its answer."""

from nextlat_rl.envs.paper.solver import TaskSolver

EXPERT = TaskSolver
