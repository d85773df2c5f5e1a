"""NextLat sequence models for reinforcement learning and planning.

Everything a user needs is imported from here: `from nextlat_rl import WorldModel, train_model`. The names stand in
`__init__.pyi`. One is loaded when it is first used, so importing the package is cheap and does not load torch.
"""

import os

import lazy_loader

# torch's threads spin while they wait for each other. Where another program has one of their cores, a training step
# then takes more than ten times as long; asleep they lose little. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
