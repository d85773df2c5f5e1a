"""The main job on every task."""

from __future__ import annotations

from benchmarks.suites.train import main_job_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("train",), main_job_table)
