"""The benchmark keeps what it does not measure again, and its rivals play by the rules of everybody else."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.main_job import seeds_table
from benchmarks.run import kept_rows


def test_rows_of_other_parts_and_seeds_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "planner.json"
    assert kept_rows(file, ["A"], range(1)) == []
    rows = [{"part": "A", "seed": 0}, {"part": "A", "seed": 1}, {"part": "B", "seed": 1}, {"part": "speed"}]
    file.write_text(json.dumps(rows))
    assert kept_rows(file, ["A"], range(1, 2)) == [rows[0], rows[2], rows[3]]
    assert kept_rows(file, ["speed"], range(1)) == rows[:3]


def test_the_table_over_seeds_has_a_line_for_each_agent() -> None:
    rows = [
        {"part": "A", "agent": agent, "seed": seed, "return_mean": float(seed), "episodes": 5}
        for agent in ("policy", "planner")
        for seed in (1, 0)
    ]
    shown = seeds_table(rows)
    assert shown.row_count == 2
    assert list(shown.columns[2].cells) == ["0.500", "0.500"]
    assert list(shown.columns[4].cells) == ["0.000 / 1.000"] * 2
