"""How many damaged files the seeded tests try: 300 each, or `NEXTLAT_FUZZ=10000 pytest -k any_damage`."""

import os

CASES = int(os.environ.get("NEXTLAT_FUZZ", "300"))
CAUGHT = 0.8  # share of the damages that change something; others hit the same byte or what JSON does not mind
