"""Countdown: right answers; small size."""

from __future__ import annotations

from benchmarks.suites.paper.tables import paper_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("paper",), lambda rows: paper_table(rows, ["Countdown"], "cpu"))
