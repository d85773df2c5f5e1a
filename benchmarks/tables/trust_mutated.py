"""Damaged files and what commands say of them."""

from __future__ import annotations

from benchmarks.suites.trust import mutated_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("trust",), mutated_table)
