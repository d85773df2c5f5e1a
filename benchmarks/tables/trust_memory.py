"""Memory over many steps."""

from __future__ import annotations

from benchmarks.suites.trust import memory_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("trust",), memory_table)
