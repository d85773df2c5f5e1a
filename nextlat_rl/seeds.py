"""Which seeds are for what."""

EVALUATION_SEED = 10_000_000
"""Environment seeds from here on are for evaluation only; no data is collected with them."""
