"""PPO in imagination beside the policy of the world model and the data."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.rows import Row
from benchmarks.suites.sb3.dreamers import DREAMS
from benchmarks.table import NamedTable, Table, returns_table


def _table(rows: Sequence[Row]) -> Table:
    return returns_table("PPO in imagination", [row for row in rows if row.part in DREAMS])


TABLE = NamedTable(("sb3",), _table)
