"""The word problem: right answers by length; small size."""

from __future__ import annotations

from benchmarks.suites.paper.tables import paper_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("paper",), lambda rows: paper_table(rows, ["WordProblem"], "cpu"))
