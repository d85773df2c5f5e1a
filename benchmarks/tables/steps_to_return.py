"""Real steps until SB3's agents reach a task's highest return."""

from __future__ import annotations

from benchmarks.suites.sb3.tables import steps_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("sb3",), lambda rows: steps_table(rows, last=True))
