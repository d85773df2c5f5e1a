"""Figures of what `nextlat_rl.metrics` measures."""
