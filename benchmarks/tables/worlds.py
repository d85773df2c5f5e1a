"""World models on the same data for the same time: likelihood, returns of dreams and how far they can be trusted."""

from __future__ import annotations

from benchmarks.suites.worlds.tables import worlds_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("worlds",), worlds_table)
