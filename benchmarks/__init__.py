"""Measurements of the library against its rivals. Not part of the wheel; nothing in the library imports it."""
