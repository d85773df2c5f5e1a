"""Planners: look ahead in imagination through one callback, and say what to do."""
