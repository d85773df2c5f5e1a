"""Path-Star: the share of the problems that is solved; small size."""

from __future__ import annotations

from benchmarks.suites.paper.tables import paper_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("paper",), lambda rows: paper_table(rows, ["PathStar", "PathStar-3x4", "PathStar-2x5"], "cpu"))
