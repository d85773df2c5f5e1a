"""What `suite=paper` shows: the paper's figures beside ours and what they took, and when its stars are solved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.paper_sizes import TASKS_BY_SIZE, paper_parts
from benchmarks.solved_figure import solved_figure
from nextlat_rl.console import table
from nextlat_rl.statistics import seeds_interval

_SOLVED = 0.99  # share of right answers from which on a seed counts as one that solves the task
_RIVALS = ("gpt", "bst", "mtp", "jtp")
_ORDER = (*_RIVALS, "nextlat")  # of a table's lines
_TASKS = {name: task for tasks in TASKS_BY_SIZE.values() for name, task in tasks.items()}
_ANSWERED = {name for name, task in _TASKS.items() if task.scored}  # parts in which there is something to solve
_STOPPED = [name for name, task in _TASKS.items() if task.check_every]  # parts whose training ends once all is solved


def paper_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """A table for each part, whatever was finished first."""
    known = dict.fromkeys(part for size in ("full", "cpu") for part in paper_parts(size))
    parts = [part for part in known if any(row["part"] == part for row in rows)]
    in_order = sorted(rows, key=lambda row: (_ORDER.index(row["agent"].split(",")[0]), row.get("seed", 0)))
    return [_paper_table(part, [row for row in in_order if row["part"] == part]) for part in parts]


def _paper_table(part: str, rows: list[dict[str, Any]]) -> Table:
    """A line for each measure and agent: the paper's figure, ours, its interval, and every seed's; then the cost.

    Where a seed gave both NextLat and a rival their first weights and their batches, a line tells the difference.
    """
    groups: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["measure"], row["agent"]), {})[row.get("seed", 0)] = row
    lines = []
    for (measure, agent), group in groups.items():
        values = {seed: row["value"] for seed, row in group.items()}
        solved = f"{sum(value >= _SOLVED for value in values.values()) / len(values):.2g}" if part in _ANSWERED else ""
        lines.append([measure, agent, next(iter(group.values()))["paper"], *_over_seeds([*values.values()], solved)])
        if agent == "nextlat":
            for rival in _RIVALS:
                theirs = {seed: row["value"] for seed, row in groups.get((measure, rival), {}).items()}
                both = [seed for seed in values if seed in theirs]
                if len(both) > 1:
                    differences = [values[seed] - theirs[seed] for seed in both]
                    lines.append([measure, f"nextlat - {rival}, by seed", "", *_over_seeds(differences, "")])
    columns = ["measure", "model", "paper", "ours", "95% over seeds", "solved", "each seed"]
    return table(f"{part} (Student's interval over training seeds)", columns, lines + _cost_lines(part, groups))


def _cost_lines(part: str, groups: dict[tuple[str, str], dict[int, dict[str, Any]]]) -> list[list[str]]:
    """What each objective's training took: minutes and, where it stops early, steps."""
    lines = []
    for name, key, unit in (("steps trained", "train_steps", 1.0), ("minutes trained", "train_seconds", 60.0)):
        of_agent = {agent: group for (_, agent), group in groups.items() if agent in _ORDER}
        for agent, group in of_agent.items():
            values = [row[key] / unit for row in group.values() if key in row]
            if values and (part in _STOPPED or key == "train_seconds"):
                lines.append([name, agent, "", *_over_seeds(values, "")])
    return lines


def solved_by_step(rows: list[dict[str, Any]], folder: Path) -> Path | None:
    """Draw which share of the seeds has solved a part by when, where training stops once all is solved."""
    panels: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for part in _STOPPED:
        for objective in _ORDER:
            runs = [row for row in rows if (row["part"], row["agent"]) == (part, objective)]
            if runs:
                solved = [(row["train_steps"], row["value"] >= _SOLVED) for row in runs]
                panels.setdefault(part, {})[objective] = solved
    if not panels:
        return None
    file = folder / "paper-solved.png"
    solved_figure(panels).savefig(file, dpi=110)
    return file


def _over_seeds(values: list[float], solved: str) -> list[str]:
    """Cells: the mean, its interval, `solved`, and each value, five on a line."""
    interval = seeds_interval(values)
    shown = f"[{_number(interval[0])}, {_number(interval[1])}]" if interval else ""
    fives = [" / ".join(map(_number, values[i : i + 5])) for i in range(0, len(values), 5)]
    return [_number(sum(values) / len(values)), shown, solved, " /\n".join(fives)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
