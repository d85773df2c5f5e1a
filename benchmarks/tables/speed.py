"""Training, data, acting and planning beside their rivals."""

from __future__ import annotations

from benchmarks.suites.speed import speed_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("speed",), speed_table)
