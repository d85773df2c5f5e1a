"""Commands that were killed and started again."""

from __future__ import annotations

from benchmarks.suites.trust import killed_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("trust",), killed_table)
