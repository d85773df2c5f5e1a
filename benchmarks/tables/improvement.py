"""From poor data: cloned, weighted by advantage, improved in imagination, each with and without the planner."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rows import Row
from benchmarks.suites.planner.tasks import IMPROVED
from benchmarks.table import NamedTable, Table, returns_table


def _table(rows: Sequence[Row]) -> Table:
    shown = [row for part in IMPROVED for row in rows if row.part == part and "recurrent" not in row.agent]
    return returns_table("From poor data", shown, _weighted)


def _weighted(row: Row) -> str:
    """The second run's policy by what sets it apart from the cloned one."""
    return row.agent.replace("policy", "weighted") if row.agent.startswith("policy") else row.agent


TABLE = NamedTable(("planner",), _table)
