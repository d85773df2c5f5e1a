"""Data flow: Minari data set -> flat memory-mapped store -> packed batches."""
