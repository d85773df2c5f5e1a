"""What a training step of each objective costs beside GPT's; small size."""

from __future__ import annotations

from benchmarks.suites.paper.tables import paper_table
from benchmarks.table import NamedTable

TABLE = NamedTable(("paper",), lambda rows: paper_table(rows, ["step-cost", "step-cost-12x384"], "cpu"))
