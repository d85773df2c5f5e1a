"""What can be guessed exactly, and what can be verified without loss: it depends on the observations."""

from __future__ import annotations

from nextlat_rl.errors import UserError
from nextlat_rl.models.nextlat import NextLat


def can_come_true(model: NextLat) -> bool:
    """Whether an observation can be guessed exactly: not if any part of it is continuous."""
    return all(codec.discrete for codec in model.observation.values())


def can_be_verified(model: NextLat) -> bool:
    """Whether the probability of a step is known: the verify step compares it with the drafter's."""
    return all(codec.exact for codec in model.observation.values())


def check_verified(name: str, model: NextLat) -> None:
    """Require that drafts for this trunk can be verified.

    Raises:
        UserError: they cannot.

    """
    if not can_be_verified(model):
        raise UserError(
            f"drafter={name} cannot be verified on images: what is drawn is clipped and rounded, and its probability "
            "not known; only drawing one step at a time is exact there"
        )
