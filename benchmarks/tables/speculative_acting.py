"""Speculative acting, every task and planner."""

from __future__ import annotations

from benchmarks.suites.speculation.tables import acting_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("speculation",), acting_table)
