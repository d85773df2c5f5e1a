"""Colours of all figures; importing it selects matplotlib's backend that draws to files only."""

import matplotlib

matplotlib.use("Agg")

REAL, GROUNDED, OPEN_LOOP, STILL = "#1b1b1b", "#2a7fb8", "#d9742b", "#b5b5b5"
