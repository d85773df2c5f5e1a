"""Numbers about a trained model: beliefs, imagination, probes, and maps of the paper's tasks."""
