"""Drafters by name; listing names does not load torch."""

from nextlat_rl.registry import Registry

DRAFTERS = Registry("nextlat_rl.drafting.drafters", "drafter", "DRAFTER")
