"""Tables of the paper's experiments: its figures beside ours, and what ours took."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rows import Row
from benchmarks.suites.paper.published import published
from benchmarks.suites.paper.tasks import COST_MODELS, TASKS_BY_SIZE
from benchmarks.table import OverSeeds, Table, over_seeds, over_values

SOLVED = 0.99  # share of right answers from which on a seed counts as one that solves the task
RIVALS = ("gpt", "bst", "mtp", "jtp")
MODELS = (*RIVALS, "nextlat")  # in the order of a table's lines
_TASKS = {name: task for tasks in TASKS_BY_SIZE.values() for name, task in tasks.items()}
_ANSWERED = {name for name, task in _TASKS.items() if task.scored}  # parts in which there is something to solve
STOPPED = [name for name, task in _TASKS.items() if task.check_every]  # parts whose training ends once all is solved
_COLUMNS = ["task", "measure", "model", "paper", "ours", "low", "high", "seeds", "solved"]


def tables(rows: Sequence[Row]) -> list[Table]:
    """A table for each part, in the order of the suite."""
    known = [*dict.fromkeys(part for tasks in TASKS_BY_SIZE.values() for part in tasks), *COST_MODELS]
    return [paper_table(rows, [part]) for part in known if any(row.part == part for row in rows)]


def paper_table(rows: Sequence[Row], parts: Sequence[str], size: str = "") -> Table:
    """A line for each part, measure and model: the paper's figure, ours over training seeds, and how many solve it.

    Where a seed gave both NextLat and a rival their first weights and their batches, a line has the difference. Then
    what the training took.

    Args:
        rows: of the suite.
        parts: to show.
        size: of the rows to show; empty shows all.

    """
    lines, used = [], []
    for part in parts:
        mine = [row for row in rows if row.part == part and size in ("", row.size)]
        mine.sort(key=lambda row: (MODELS.index(row.agent.split(",")[0]), row.seed))
        lines += [[part, *line] for line in _lines(part, mine)]
        used += mine
    return Table(f"{', '.join(parts)}, Student's interval over training seeds", _COLUMNS, lines, used)


def _lines(part: str, rows: Sequence[Row]) -> list[list[str]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.measure, row.agent), []).append(row)
    lines = []
    for (measure, model), group in found.items():
        values = {row.seed: row.value or 0.0 for row in group}
        solved = f"{sum(value >= SOLVED for value in values.values()) / len(values):.2g}" if part in _ANSWERED else ""
        paper = published(part, group[0].size, model, measure)
        lines.append([measure, model, paper, *_cells(over_values([*values.values()])), solved])
        if model == "nextlat":
            rivals = {rival: found.get((measure, rival), []) for rival in RIVALS}
            lines += [line for rival, theirs in rivals.items() for line in _difference(measure, rival, values, theirs)]
    return lines + _cost_lines(part, found)


def _difference(measure: str, rival: str, values: dict[int, float], theirs: Sequence[Row]) -> list[list[str]]:
    """A line of NextLat minus a rival over the seeds that both have, if there are several."""
    differences = [values[row.seed] - (row.value or 0.0) for row in theirs if row.seed in values]
    if len(differences) < 2:
        return []
    return [[measure, f"nextlat - {rival}, by seed", "", *_cells(over_values(differences)), ""]]


def _cost_lines(part: str, found: dict[tuple[str, str], list[Row]]) -> list[list[str]]:
    """What each objective's training took: minutes and, where it stops early, steps."""
    lines = []
    of_model = {model: group for (_, model), group in found.items() if model in MODELS}
    for name, figure, scale in (("steps trained", "train_steps", 1.0), ("minutes trained", "train_seconds", 1 / 60)):
        for model, group in of_model.items():
            cost = over_seeds(group, figure, scale)
            if cost.seeds and (part in STOPPED or figure == "train_seconds"):
                lines.append([name, model, "", *_cells(cost), ""])
    return lines


def _cells(found: OverSeeds) -> list[str]:
    """Mean, low, high and how many seeds."""
    return [
        *("" if value is None else _number(value) for value in (found.mean, found.low, found.high)),
        str(found.seeds),
    ]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
