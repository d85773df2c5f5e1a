"""The tables and pictures of `suite=speculation`."""

from __future__ import annotations

from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.risk import in_per_cent, risk_table
from nextlat_rl.console import table
from nextlat_rl.jobs.draft_race import positions
from nextlat_rl.plotting.figures import risk_figure, speculation_figure


def speculation_tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Imagining and acting, a line for each task and contender: means over training seeds, speed-ups one by one."""
    imagined = [_imagined_line(group) for group in _by_contender(rows, "imagination")]
    columns = ["task", "drafter", "draft", "speed-up", "of all steps", "accepted a draft", "acceptance by position"]
    columns += ["draft / trunk cost", "minutes of training"]
    tables = [table("Speculative imagination, one core, one trajectory at a time", columns, imagined)]
    acted = [_acting_line(group) for group in _by_contender(rows, "acting")]
    columns = ["task", "planner, speculate", "decisions", "changed", "return", "lost (at most)"]
    columns += ["calls a step", "where all was seen", "ms/decision", "speed-up"]
    tables.append(table("Speculative acting, one core, one environment", columns, acted))
    return [*tables, risk_table(_by_contender(rows, "risk"))]


def _by_contender(rows: list[dict[str, Any]], kind: str) -> list[list[dict[str, Any]]]:
    """The rows of each task and contender, a row for each seed."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted((row for row in rows if row.get("kind") == kind), key=lambda row: row["seed"]):
        groups[row["part"], row["contender"]].append(row)
    return list(groups.values())


def _imagined_line(group: list[dict[str, Any]]) -> list[str]:
    """Cells of a drafter and a length."""
    name, _, length = group[0]["contender"].partition(" ")
    line = [group[0]["part"], name, length, _one_by_one(group, "speed_up"), _one_by_one(group, "throughput")]
    if "accepted_per_draft" not in group[0]:
        return [*line, "", "", "", ""]
    by_seed = zip_longest(*(row["acceptance_by_position"] for row in group), fillvalue=np.nan)
    by_position = positions([float(np.nanmean(chances)) for chances in by_seed])
    line += [f"{_mean(group, 'accepted_per_draft'):.2f}", by_position, f"{_mean(group, 'draft_cost'):.2f}"]
    return [*line, f"{_mean(group, 'drafter_minutes'):.1f}"]


def _acting_line(group: list[dict[str, Any]]) -> list[str]:
    """Cells of a planner and a way to speculate; what is lost in per cent of the return, its upper bound the worst."""
    scale = 100 / max(abs(_mean(group, "episode_return")), 1e-9)
    lost, most = scale * _mean(group, "return_lost"), scale * max(row["return_lost_high"] for row in group)
    known = ""
    if "share_known" in group[0]:
        known = f"{_mean(group, 'calls_where_known'):.2f} ({_mean(group, 'share_known'):.0%} of steps)"
    return [
        group[0]["part"],
        group[0]["contender"],
        f"{sum(row['decisions'] for row in group):,}",
        f"{sum(row['changed'] for row in group):,}" if "changed" in group[0] else "",
        f"{_mean(group, 'episode_return'):.3f}",
        f"{lost:.1f}% ({most:.1f}%)",
        f"{_mean(group, 'trunk_calls_per_step'):.2f}",
        known,
        f"{_mean(group, 'ms_per_decision'):.2f}",
        _one_by_one(group, "speed_up"),
    ]


def _mean(group: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in group]))


def _one_by_one(group: list[dict[str, Any]], key: str) -> str:
    """The mean, and of several seeds every one."""
    each = [f"{row[key]:.2f}" for row in group]
    return each[0] if len(group) == 1 else f"{_mean(group, key):.2f} ({' / '.join(each)})"


def speculation_figures(rows: list[dict[str, Any]], folder: Path) -> list[Path]:
    """A picture of each task's first seed, and one of what risks cost."""
    files = []
    for part in dict.fromkeys(row["part"] for row in rows if "kind" in row):
        mine = [row for row in rows if row["part"] == part and row["seed"] == 0]
        imagined = [row for row in mine if row.get("kind") == "imagination"]
        files.append(folder / f"speculation-{part}.png")
        figure = speculation_figure(imagined, [row for row in mine if row.get("kind") == "acting"])
        figure.suptitle(part)
        figure.savefig(files[-1], dpi=110)
    risks = risk_lines(rows)
    if risks:
        files.append(folder / "speculation-risk.png")
        risk_figure(risks).savefig(files[-1], dpi=110)
    return files


def risk_lines(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """For `risk_figure`: over training seeds the mean of calls and of what is lost, and the worst upper end."""
    lines: dict[str, list[list[float]]] = defaultdict(list)
    for group in sorted(_by_contender(rows, "risk"), key=lambda group: group[0]["risk"]):
        planner = group[0]["contender"].partition(",")[0]
        name = f"{group[0]['part']}, {'policy' if planner == 'none' else 'planner'}"
        lost = np.array([in_per_cent(row) for row in group])
        lines[name].append([_mean(group, "calls_per_step"), float(lost[:, 0].mean()), float(lost[:, 1].max())])
    return {name: np.array(points) for name, points in lines.items()}
