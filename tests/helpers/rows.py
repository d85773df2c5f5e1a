"""Result rows made by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.rows import Row
from nextlat_rl.results import Provenance


def made_row(part: str = "A", agent: str = "policy", seed: int = 0, suite: str = "train", **values: Any) -> Row:
    """A row with some provenance."""
    command = f"python -m benchmarks suite={suite} only={part} first_seed={seed}"
    source = Provenance(command, "abc1234", False, seed, "cpu", 1, "2026-01-02T03:04:05+00:00")
    return Row(suite, part, agent, source, **values)
