"""Tolerant acting at several risks."""

from __future__ import annotations

from benchmarks.suites.speculation.tables import risk_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("speculation",), risk_table)
