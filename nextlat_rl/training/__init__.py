"""Optimisation and what it leaves behind: trainer, checkpoints, TensorBoard events, data parallelism."""
