"""What can be guessed exactly, and what can be verified: it depends on the codecs of the observation's leaves."""

from collections.abc import Mapping

from nextlat_rl.errors import UserError
from nextlat_rl.spaces import Codec


def can_come_true(observation: Mapping[str, Codec]) -> bool:
    """Whether an observation can be guessed exactly: not if any part of it is continuous."""
    return all(codec.discrete for codec in observation.values())


def can_be_verified(observation: Mapping[str, Codec]) -> bool:
    """Whether the probability of a step is known: the verify step compares it with the drafter's."""
    return all(codec.exact for codec in observation.values())


def check_verified(name: str, observation: Mapping[str, Codec]) -> None:
    """Require that drafts for this trunk can be verified.

    Raises:
        UserError: they cannot.
    """
    if not can_be_verified(observation):
        raise UserError(
            f"drafter={name} cannot be verified on images: what is drawn is clipped and rounded, and its probability "
            "not known; only drawing one step at a time is exact there"
        )
