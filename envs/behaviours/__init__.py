"""Behaviours: what chooses the actions while data is gathered. `mixture` makes one from a name."""
