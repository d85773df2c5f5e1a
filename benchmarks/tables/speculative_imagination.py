"""Speculative imagination with the adaptive draft length, every drafter."""

from __future__ import annotations

from benchmarks.suites.speculation.tables import imagination_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("speculation",), lambda rows: imagination_table(rows, ("adaptive",)))
