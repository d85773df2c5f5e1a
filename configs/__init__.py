"""Hydra groups: env, model, objective, trainer."""
