"""Returns of SB3's agents at the end of training."""

from __future__ import annotations

from benchmarks.suites.sb3.tables import final_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("sb3",), final_table)
