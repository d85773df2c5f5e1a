"""Planners, the improved policy and rivals on FourRooms; the planner on Pendulum."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rows import Row
from benchmarks.suites.planner.tasks import PLANNED, RIVALS
from benchmarks.table import NamedTable, Table, returns_table


def _table(rows: Sequence[Row]) -> Table:
    shown = [row for part in (*PLANNED, *RIVALS) for row in rows if row.part == part]
    return returns_table("Planners and rivals", shown, task=lambda row: row.env)


TABLE = NamedTable(("planner",), _table)
