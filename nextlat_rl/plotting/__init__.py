"""Pictures of what `nextlat_rl.metrics` measures."""
