"""Whether what world models imagine exists, and what they cost."""

from __future__ import annotations

from benchmarks.suites.worlds.tables import dreams_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("worlds",), dreams_table)
