"""Why a planner decided as it did: the lines it compared, best first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nextlat_rl.agents.planning.lookahead import Level, lookahead
from nextlat_rl.agents.planning.model import Plan
from nextlat_rl.agents.planning.planner import AnyPlanner, LookaheadPlanner, MPPIPlanner
from nextlat_rl.noise import uniform


@dataclass
class Explanation:
    """One decision."""

    plan: Plan | None  # of a discrete planner
    prior: Tensor | None  # [A] the policy's own probabilities, of a discrete planner
    lines: list[Tensor]  # stored actions `[K, *action]` of each line, the chosen one first
    returns: list[float | None]  # what the planner expected of each; None where it kept no such number


@torch.no_grad()
def explain(planner: AnyPlanner, belief: Tensor, episode: int, step: int, count: int) -> Explanation:
    """Decide once more at `belief: [1, D]`, keeping up to `count` of the lines that were compared."""
    keys = torch.tensor([episode], device=belief.device), torch.tensor([step], device=belief.device)
    if isinstance(planner, MPPIPlanner):
        found = planner.plan(belief, *keys)
        return Explanation(None, None, [planner.model.stored(found.sequence[0])], [float(found.value)])
    plan = planner.plan(belief, *keys)
    chosen = _actions(plan.sequence[0])
    lines: list[Tensor] = [chosen]
    returns: list[float | None] = [None]
    if isinstance(planner, LookaheadPlanner):
        noise = uniform(planner.seed, *keys, planner.num_uniforms)
        levels = lookahead(planner.model, belief, noise, planner.config, greedy=True)[1]
        lines, returns = _ranked(levels, chosen, count)
    prior = planner.model.root(belief)[0][0].softmax(-1)
    return Explanation(plan, prior, [planner.model.table[line] for line in lines], returns)


def _actions(sequence: Tensor) -> Tensor:
    return sequence[sequence >= 0]


def _ranked(levels: list[Level], chosen: Tensor, count: int) -> tuple[list[Tensor], list[float | None]]:
    """The chosen line, then the best others by the return they reached."""
    last = levels[-1]
    node = torch.arange(last.action.shape[1], device=last.action.device)
    columns = []
    for level in levels[:0:-1]:
        columns.append(level.action[0, node])
        node = level.parent[0, node]
    sequences = torch.stack(columns[::-1], dim=1)  # [N, K]
    order = last.reached[0].argsort(descending=True)
    best: list[tuple[Tensor, float | None]] = [(sequences[i], float(last.reached[0, i])) for i in order]
    kept = [pair for pair in best if torch.equal(pair[0], chosen)] or [(chosen, None)]
    kept += [pair for pair in best if not torch.equal(pair[0], chosen)][: count - 1]
    return [line for line, _ in kept], [reached for _, reached in kept]
