"""Training data from Stable-Baselines3: everything that an algorithm goes through while it learns."""
