"""Experts of `behaviour=expert`: one module each, which exports the class as `EXPERT`.

`EXPERT.environments` lists the beginnings of the ids that it plays; the longest one that fits decides.
"""
