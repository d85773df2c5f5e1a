"""Metrics of a trained model: its beliefs, its imagination, linear probes, and the map that it has of a world."""
