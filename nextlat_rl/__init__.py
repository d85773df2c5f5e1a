"""NextLat sequence models for reinforcement learning and planning.

Everything a user needs is imported from here: `from nextlat_rl import WorldModel, train_model`. The names stand in
`__init__.pyi`. One is loaded when it is first used, so importing the package is cheap and does not load torch.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
