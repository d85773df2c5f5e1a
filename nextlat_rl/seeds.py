"""Which seeds are for what."""

EVALUATION_SEED = 10_000_000
"""Environment seeds from here on are for evaluation only; no data is collected with them."""

DIAGNOSIS_SEED = 9_000_000
"""Environment seeds from here on compare dreams with real episodes: choices may rest on them, so they score nothing."""
