"""Whole jobs made of the parts: gather data, train, evaluate, improve, race drafters."""
