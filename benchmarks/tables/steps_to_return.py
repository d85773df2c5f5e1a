"""Real steps until SB3's agents reach a return."""

from __future__ import annotations

from benchmarks.suites.sb3.tables import steps_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("sb3",), steps_table)
