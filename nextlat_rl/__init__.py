"""NextLat sequence models for reinforcement learning and planning.

Everything a user needs is imported from here: `from nextlat_rl import WorldModel, train_model`. The names stand in
`__init__.pyi`. One is loaded when it is first used, so importing the package is cheap and does not load torch.
"""

import os

import lazy_loader

# Threads that wait for each other spin for milliseconds by default. Where another program has one of their cores, a
# training step then takes ten times as long; after some microseconds they may sleep. OpenMP reads this with torch.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
