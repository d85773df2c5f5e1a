"""NextLat sequence models for reinforcement learning and planning.

Importing this package is cheap: torch is loaded only by the modules that need it.
"""

__version__ = "0.1.0"
