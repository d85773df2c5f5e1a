"""The world model inside Stable-Baselines3: beliefs to observe, imagination to train in, planners that `predict`."""
