"""Behaviours gather data. Each is a module of this package, named as the option `behaviour=` names it.

A module exports `BEHAVIOUR`, which builds the behaviour from an environment's full id and from what stands behind the
colon in `sb3:policy.zip` (see `nextlat_rl.envs.behaviour.Builder`).
"""
